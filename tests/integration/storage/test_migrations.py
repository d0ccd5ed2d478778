"""The schema that migrations make is the one in `tables.py`, and a newer one is left alone."""

from __future__ import annotations

import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from tests.integration.storage.test_upgrade import at_revision, transaction
from tests.support.patience import HANG_SECONDS
from tests.support.vaults import make_settings, make_vault
from vault.app import open_vault
from vault.errors import StorageError
from vault.storage import Storage, migrate, schema_status
from vault.storage.database.past_schema import alembic_config
from vault.storage.database.schema import SCHEMA
from vault.storage.tables import metadata

KINDS = ("sqlite", "postgresql")


def differences(url: str) -> list[str]:
    """What differs between the database and `vault/storage/tables`, a line each: whole tables would hide it."""
    storage = Storage(url)
    with storage.reading.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        found = [line for change in compare_metadata(context, metadata) for line in described(change)]
    storage.close()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_migrations_make_the_tables_as_they_are_described(fresh_database: Any, kind: str) -> None:
    # Alembic alone: `migrate` refuses what it has made if that is not right.
    url = fresh_database(kind, migrated=False)
    at_revision(url, "head")
    if found := differences(url):
        pytest.fail("\n  ".join(["To be as vault/storage/tables say, migrations must:", *found]), pytrace=False)


def described(change: Any) -> Iterator[str]:
    """What Alembic would change in the database so that it is as the tables are described, a line each."""
    if isinstance(change, list):
        for each in change:
            yield from described(each)
        return
    what, *rest = change
    if what.startswith("modify_"):
        # Schema, table, column, its other properties, the database's value, and ours.
        yield f"{what}: {rest[1]}.{rest[2]}: {rest[4]!r} in the database, {rest[5]!r} in the tables"
        return
    item = rest[-1]
    table = "" if isinstance(item, sa.Table) else rest[1] if isinstance(item, sa.Column) else item.table.name
    yield f"{what}: " + ".".join(filter(None, (table, str(item.name))))


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("DROP TABLE throttle", "add_table: throttle"),
        ("CREATE TABLE notes (id integer)", "remove_table: notes"),
        ("ALTER TABLE tokens DROP COLUMN networks", "add_column: tokens.networks"),
        ("DROP INDEX ix_tokens_user", "add_index: tokens.ix_tokens_user"),
        ("ALTER TABLE users DROP CONSTRAINT uq_users_name_folded", "add_constraint: users.uq_users_name_folded"),
        ("ALTER TABLE tokens DROP CONSTRAINT fk_tokens_user_id", "add_fk: tokens.fk_tokens_user_id"),
        (
            "ALTER TABLE users ALTER COLUMN name DROP NOT NULL",
            "modify_nullable: users.name: True in the database, False in the tables",
        ),
    ],
)
def test_a_difference_is_told_in_one_line(fresh_database: Any, statement: str, line: str) -> None:
    url = fresh_database("postgresql")
    with transaction(url) as connection:
        connection.execute(sa.text(statement))
    assert line in differences(url)


def test_unique_names_among_the_living_only_are_in_the_database_itself(database_url: str) -> None:
    storage = Storage(database_url)
    with storage.reading.connect() as connection:
        indexes = {index["name"]: index for index in sa.inspect(connection).get_indexes("environments")}
    storage.close()
    index = indexes["uq_environments_living"]
    assert index["unique"]
    assert any("deleted_us IS NULL" in str(option) for option in index["dialect_options"].values())


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_database_is_migrated_and_again_without_harm(fresh_database: Any, kind: str) -> None:
    url = fresh_database(kind, migrated=False)
    storage = Storage(url)
    with storage.reading.connect() as connection:
        assert schema_status(connection).state == "empty"
    for _ in range(2):
        migrate(url)
        with storage.reading.connect() as connection:
            assert schema_status(connection).state == "current"
    storage.close()


def test_two_hosts_may_migrate_at_once(fresh_database: Any) -> None:
    url, failed = fresh_database("postgresql", migrated=False), []

    def run() -> None:
        try:
            migrate(url)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


@pytest.mark.parametrize(
    "newer",
    [
        ("0099", "INSERT INTO schema_readers (revision, oldest_reader) VALUES ('0099', 99)"),
        ("0099", "UPDATE schema_readers SET oldest_reader = 1"),
        ("0099", "DELETE FROM schema_readers"),
        ("0099", "DROP TABLE schema_readers"),
        ("9999_from_the_future", "UPDATE schema_readers SET oldest_reader = 99"),
    ],
)
def test_a_newer_schema_without_consent_is_refused_with_a_sentence(
    tmp_path: Path, database_url: str, newer: tuple[str, str]
) -> None:
    change_schema(database_url, *newer)
    for call in (migrate, lambda url: open_vault(make_settings(tmp_path, url))):
        with pytest.raises(StorageError, match="Run that newer release, or restore a backup"):
            call(database_url)


@pytest.mark.parametrize("oldest_reader", [1, 2])
def test_a_newer_schema_with_consent_is_used_and_left_as_it_is(
    tmp_path: Path, database_url: str, oldest_reader: int
) -> None:
    make_vault(tmp_path, database_url).storage.close()
    change_schema(
        database_url, "0099", f"INSERT INTO schema_readers (revision, oldest_reader) VALUES ('0099', {oldest_reader})"
    )
    storage = Storage(database_url)
    with storage.reading.connect() as connection:
        assert schema_status(connection).state == "accepted"
        migrate(database_url)
        assert schema_status(connection).state == "accepted"
    storage.close()


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("sqlite", "DELETE FROM schema_readers WHERE revision = :revision"),
        ("sqlite", "UPDATE schema_readers SET revision = '0099' WHERE revision = :revision"),
        ("sqlite", "UPDATE schema_readers SET oldest_reader = 'two' WHERE revision = :revision"),
        ("sqlite", "DELETE FROM schema_readers WHERE revision <= :revision"),
        ("postgresql", "DELETE FROM schema_readers WHERE revision = :revision"),
    ],
)
def test_a_migration_without_its_oldest_reader_is_named_and_undone(
    fresh_database: Any, monkeypatch: pytest.MonkeyPatch, kind: str, statement: str
) -> None:
    upgrade = command.upgrade

    def forget(config: Config, revision: str) -> None:
        upgrade(config, revision)
        config.attributes["connection"].execute(sa.text(statement), {"revision": SCHEMA})

    monkeypatch.setattr(command, "upgrade", forget)
    url = fresh_database(kind, migrated=False)
    with pytest.raises(StorageError, match=f"The migration {SCHEMA} stores no row .*adding-a-column.md"):
        migrate(url)
    storage = Storage(url)
    with storage.reading.connect() as connection:
        assert schema_status(connection).state == "empty"
    storage.close()


def change_schema(url: str, revision: str, statement: str) -> None:
    """The database as a migration of a later release might leave it."""
    storage = Storage(url)
    with storage.writing.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        connection.execute(sa.text(statement))
    storage.close()


def test_an_upgrade_beside_a_long_transaction_waits_and_does_not_hang(
    fresh_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = fresh_database("postgresql", migrated=False)
    with transaction(url) as connection:
        command.upgrade(alembic_config(connection), "0001")
    module = sys.modules[migrate.__module__]
    monkeypatch.setattr(module, "_LOCK_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.05)
    with transaction(url) as other:
        other.execute(sa.text("LOCK TABLE users IN ACCESS SHARE MODE"))
        with pytest.raises(StorageError, match="Other transactions held the tables"):
            migrate(url)
        # Nobody is kept waiting by an upgrade that has given up.
        other.execute(sa.text("SELECT count(*) FROM sessions"))
        thread = threading.Thread(target=migrate, args=(url,))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(HANG_SECONDS)
    assert not thread.is_alive()
    with transaction(url) as connection:
        assert schema_status(connection).state == "current"


@pytest.mark.parametrize("kind", KINDS)
def test_a_database_without_a_vault_says_what_to_do(tmp_path: Path, fresh_database: Any, kind: str) -> None:
    for migrated in (False, True):
        with pytest.raises(StorageError, match="db upgrade"):
            open_vault(make_settings(tmp_path, fresh_database(kind, migrated=migrated)))


def test_an_embedded_database_is_for_nobody_elses_eyes(tmp_path: Path) -> None:
    path = tmp_path / "new" / "strongroom.db"
    migrate(f"sqlite:///{path}")
    storage = Storage(f"sqlite:///{path}")
    with storage.writing.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = version_num"))
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    storage.close()
    assert modes == {"strongroom.db": 0o600, "strongroom.db-wal": 0o600, "strongroom.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_sqlite_is_set_up_to_keep_what_it_has_acknowledged(fresh_database: Any) -> None:
    storage = Storage(fresh_database("sqlite"))
    for engine in (storage.reading, storage.writing):
        with engine.connect() as connection:
            found = {
                name: connection.execute(sa.text(f"PRAGMA {name}")).scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "trusted_schema")
            }
        # 2 is FULL.
        assert found == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "secure_delete": 1,
            "trusted_schema": 0,
        }
    storage.close()
