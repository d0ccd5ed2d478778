"""A schema that was edited by hand is named, with what to do, and not served from."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.conftest import FreshDatabase
from tests.vaults import make_vault
from vault.app import open_vault
from vault.errors import StorageError
from vault.storage import Storage
from vault.storage.inspection import Inspected, inspect_schema

ON_BOTH = {
    "DROP INDEX ix_tokens_user": "The index ix_tokens_user of tokens is missing.",
    "DROP INDEX uq_environments_living": "The index uq_environments_living of environments is missing.",
    "ALTER TABLE tokens DROP COLUMN networks": "The column tokens.networks is missing.",
    "ALTER TABLE users RENAME COLUMN second_factor TO factor": "The column users.second_factor is missing.",
    "DROP TABLE throttle": "The table throttle is missing.",
    "DROP INDEX ix_sessions_user; CREATE INDEX ix_sessions_user ON sessions (created_us, user_id)": (
        "The index ix_sessions_user of sessions is missing."
    ),
    "DROP INDEX uq_user_keys_active; CREATE UNIQUE INDEX uq_user_keys_active ON user_keys (owner_id)": (
        "The index uq_user_keys_active of user_keys is missing."
    ),
}
ON_POSTGRESQL = {
    "ALTER TABLE users ALTER COLUMN name DROP NOT NULL": "The column users.name is nullable, but should be NOT NULL.",
    "ALTER TABLE tokens ALTER COLUMN expires_us SET NOT NULL": "tokens.expires_us is NOT NULL, but should allow NULL.",
    "ALTER TABLE tokens ALTER COLUMN ttl_seconds TYPE text": "The column tokens.ttl_seconds has the type text",
    "ALTER TABLE users DROP CONSTRAINT uq_users_name_folded": "The unique constraint uq_users_name_folded of users",
    "ALTER TABLE tokens DROP CONSTRAINT fk_tokens_user_id": "The foreign key from tokens.user_id to users is missing.",
    "ALTER TABLE leases DROP CONSTRAINT pk_leases": "The primary key of leases is wrong at the column ",
}


def inspected(url: str, *statements: str) -> Inspected:
    storage = Storage(url)
    try:
        with storage.writing.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))
        with storage.reading.connect() as connection:
            return inspect_schema(connection)
    finally:
        storage.close()


def test_what_the_migrations_make_is_whole(database_url: str) -> None:
    assert inspected(database_url) == Inspected()


@pytest.mark.parametrize("change", ON_BOTH)
def test_what_somebody_has_changed_is_named(database_url: str, change: str) -> None:
    [fault] = inspected(database_url, *change.split("; ")).faults
    assert ON_BOTH[change] in fault


@pytest.mark.parametrize("change", ON_POSTGRESQL)
def test_what_only_postgresql_lets_somebody_change_is_named(fresh_database: FreshDatabase, change: str) -> None:
    [fault] = inspected(fresh_database("postgresql"), change).faults
    assert ON_POSTGRESQL[change] in fault


def test_what_is_there_beside_ours_is_no_fault(database_url: str) -> None:
    found = inspected(
        database_url,
        "CREATE TABLE notes (id integer PRIMARY KEY)",
        "CREATE INDEX ix_notes ON tokens (name)",
        "ALTER TABLE tokens ADD COLUMN note text",
    )
    assert found == Inspected(extras=["notes", "tokens.note"])


def test_a_worker_does_not_start_on_it(tmp_path: Path, database_url: str) -> None:
    vault = make_vault(tmp_path, database_url)
    vault.storage.close()
    inspected(database_url, "DROP INDEX ix_tokens_user")
    with pytest.raises(
        StorageError,
        match=r"ix_tokens_user of tokens is missing\. Make it with `CREATE INDEX .*`\. Undo the change",
    ):
        open_vault(vault.settings, as_worker=True)


def test_it_costs_a_start_little(database_url: str) -> None:
    """Three statements, whatever the number of tables."""
    storage, seen = Storage(database_url), []
    sa.event.listen(storage.reading, "before_cursor_execute", lambda _c, _k, statement, *_: seen.append(statement))
    with storage.reading.connect() as connection:
        inspect_schema(connection)
    storage.close()
    assert len(seen) == 3
