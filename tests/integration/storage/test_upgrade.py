"""Migrations keep what is there: a database of the first release, filled, and brought up to date."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from tests.conftest import KINDS, Kind
from vault.errors import StorageError
from vault.model.clock import SECOND_US, now_us
from vault.storage import migrate
from vault.storage.database.engine import make_engine, parse_url
from vault.storage.database.past_schema import alembic_config
from vault.storage.database.schema import SCHEMA
from vault.storage.database.session_limits import UPGRADE

FROZEN = {
    "0001": "40cb48c8fba85bf1f0e71637595c07418d2c4869a5bd9eda198c0bfb94e9fec8",
    "0002": "a909810966f5121cae4c71217550829976a2fd1ebae30176aea8f450af488bc3",
    "0003": "70f57260a2b6d1c3cdb368c3bc1aed6aba2506d801dd9b3a5c666136c5f184ab",
}
"""SHA-256 of the files of released migrations: databases have run them, so they never change."""

ROWS = 3
CHOICES = {
    ("master_keys", "state"): "active",
    ("users", "role"): "user",
    ("users", "state"): "active",
    ("user_keys", "state"): "retired",
    ("system_secrets", "state"): "active",
    ("destroyed_keys", "kind"): "user",
    ("credentials", "kind"): "password",
    ("sessions", "kind"): "api",
    ("environments", "kind"): "environment",
    ("environments", "sealing"): "server",
    ("data_keys", "state"): "active",
    ("challenges", "purpose"): "login",
}
"""Columns with a CHECK, and a value that it takes."""
ONE_ROW = {"vault_state", "audit_head"}
SELF = ("tokens", "parent_id")


@contextmanager
def transaction(url: str) -> Iterator[sa.Connection]:
    """A transaction over a connection that is closed again."""
    engine = make_engine(parse_url(url), pool_size=1, autocommit=False, limits=UPGRADE)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def at_revision(url: str, revision: str) -> None:
    """Make the schema as a release had it."""
    with transaction(url) as connection:
        command.upgrade(alembic_config(connection), revision)


def contents(url: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    metadata = sa.MetaData()
    with transaction(url) as connection:
        metadata.reflect(connection)
        return {
            table.name: [dict(row._mapping) for row in connection.execute(table.select().order_by(*table.primary_key))]
            for table in metadata.sorted_tables
        }


def fill(url: str) -> None:
    """Rows in every table, which refer to each other as the foreign keys demand."""
    metadata = sa.MetaData()
    with transaction(url) as connection:
        metadata.reflect(connection)
        for table in metadata.sorted_tables:
            if table.name != "alembic_version":
                count = 1 if table.name in ONE_ROW else ROWS
                connection.execute(table.insert(), [_row(table, number) for number in range(1, count + 1)])


def set_leases(url: str, until_us: int) -> None:
    """Let the leases of all workers end at a moment."""
    with transaction(url) as connection:
        connection.execute(sa.text("UPDATE workers SET lease_until_us = :until"), {"until": until_us})


def _row(table: sa.Table, number: int) -> dict[str, Any]:
    return {column.name: _value(table, column, number) for column in table.columns}


def _value(table: sa.Table, column: sa.Column[Any], number: int) -> Any:
    place = (table.name, column.name)
    if place in CHOICES:
        return CHOICES[place]
    if place == SELF or (column.nullable and number == 2 and not column.unique):
        return None
    if isinstance(column.type, sa.Boolean) or (table.name, column.name) == ("vault_state", "locked"):
        return True
    if isinstance(column.type, sa.Integer):
        return number
    if isinstance(column.type, sa.LargeBinary):
        return bytes([number]) * 32
    for key in column.foreign_keys:
        return _value(key.column.table, key.column, number)
    # Longer texts than any column holds would be refused by PostgreSQL.
    return f"{table.name[:5]}-{number}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_filled_database_of_the_first_release_is_upgraded_with_nothing_lost(
    fresh_database: Callable[..., str], kind: Kind
) -> None:
    url = fresh_database(kind, migrated=False)
    at_revision(url, "0001")
    fill(url)
    before = contents(url)
    assert sum(map(len, before.values())) > 60
    migrate(url)
    after = contents(url)
    assert after.pop("lock_flag") == [{"id": 1, "locked": True, "changed_us": 0}]
    assert before["vault_state"][0].pop("locked") in (True, 1)
    for table, rows in before.items():
        if table == "alembic_version":
            continue
        known = [{name: row[name] for name in old} for row, old in zip(after[table], rows, strict=True)]
        assert known == rows, table
        if "mac" in rows[0] and table != "audit_events":
            assert {row["row_format"] for row in after[table]} == {1}
    if kind == "sqlite":
        with transaction(url) as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"


@pytest.mark.parametrize("kind", KINDS)
def test_an_upgrade_that_fails_half_way_changes_nothing(
    fresh_database: Callable[..., str], kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = fresh_database(kind, migrated=False)
    at_revision(url, "0001")
    fill(url)
    before = contents(url)
    # The last thing that the migration makes is there already.
    with transaction(url) as connection:
        connection.execute(sa.text("CREATE INDEX ix_audit_events_actor ON audit_events (actor_id, at_us)"))
    with pytest.raises(StorageError, match=r"nothing was changed: .*ix_audit_events_actor.* already exists"):
        migrate(url)
    assert contents(url) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("DROP INDEX ix_tokens_user", "index ix_tokens_user of tokens is missing"),
        ("DROP TABLE leases", "table leases is missing"),
        ("ALTER TABLE users DROP COLUMN second_factor", "column users.second_factor is missing"),
    ],
)
def test_a_schema_that_was_changed_by_hand_is_not_upgraded(
    fresh_database: Callable[..., str], kind: Kind, damage: str, words: str
) -> None:
    url = fresh_database(kind, migrated=False)
    at_revision(url, "0001")
    fill(url)
    with transaction(url) as connection:
        connection.execute(sa.text(damage))
    before = contents(url)
    with pytest.raises(StorageError, match=words):
        migrate(url)
    assert contents(url) == before


@pytest.mark.parametrize("kind", KINDS)
def test_no_upgrade_while_a_server_runs_that_it_would_break(fresh_database: Callable[..., str], kind: Kind) -> None:
    url = fresh_database(kind, migrated=False)
    at_revision(url, "0001")
    fill(url)
    set_leases(url, now_us() + 20 * SECOND_US)
    before = contents(url)
    with pytest.raises(StorageError, match=r"worke-1 \(process 1, release 0\.1\.0\).*Nothing was changed"):
        migrate(url)
    assert contents(url) == before
    set_leases(url, now_us() - 1)
    migrate(url)
    assert set(contents(url)) > set(before)


@pytest.mark.parametrize("kind", KINDS)
def test_new_kinds_need_no_new_table(fresh_database: Callable[..., str], kind: Kind) -> None:
    url = fresh_database(kind, migrated=False)
    at_revision(url, "0001")
    fill(url)
    migrate(url)
    with transaction(url) as connection:
        for table, column in (("sessions", "kind"), ("credentials", "kind"), ("challenges", "purpose")):
            connection.execute(sa.text(f"UPDATE {table} SET {column} = 'new'"))


def test_a_database_that_cannot_hold_every_text_is_refused(fresh_database: Callable[..., str]) -> None:
    url = fresh_database("postgresql", migrated=False)
    name = f"ascii_{secrets.token_hex(4)}"
    engine = sa.create_engine(parse_url(url), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(
                sa.text(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
            )
        with pytest.raises(StorageError, match="encoding is SQL_ASCII, but Strongroom needs UTF8"):
            migrate(parse_url(url).set(database=name).render_as_string(hide_password=False))
    finally:
        with engine.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        engine.dispose()


def test_released_migrations_never_change() -> None:
    files = {script.revision: Path(script.path) for script in scripts()}
    for revision, digest in FROZEN.items():
        assert hashlib.sha256(files[revision].read_bytes()).hexdigest() == digest, revision


def test_the_newest_migration_is_the_one_that_the_code_names() -> None:
    revisions = [script.revision for script in scripts()]
    assert revisions == [f"{number:04}" for number in range(1, len(revisions) + 1)]
    assert revisions[-1] == SCHEMA, f"Set SCHEMA in vault/storage/database/schema.py to {revisions[-1]}."


def scripts() -> list[Any]:
    """All migrations, the oldest first."""
    folder = ScriptDirectory(str(Path(migrate.__globals__["__file__"]).parent / "migrations"))
    return sorted(folder.walk_revisions(), key=lambda script: script.revision)
