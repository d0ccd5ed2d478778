"""A schema that was edited by hand is named, with what to do, and not served from."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.conftest import KINDS, FreshDatabase, Kind
from tests.integration.storage.test_upgrade import at_revision, transaction
from tests.support.vaults import make_vault
from vault.app import open_vault
from vault.errors import StorageError
from vault.storage import Storage
from vault.storage.database.inspection import Inspected, inspect_schema
from vault.storage.database.schema import inspect_database

ON_BOTH = {
    "DROP INDEX ix_tokens_user": "The index ix_tokens_user of tokens is missing.",
    "DROP INDEX uq_environments_living": "The index uq_environments_living of environments is missing.",
    "ALTER TABLE tokens DROP COLUMN networks": "The column tokens.networks is missing.",
    "ALTER TABLE users RENAME COLUMN second_factor TO factor": "The column users.second_factor is missing.",
    "DROP TABLE throttle": (
        "The table throttle is missing, and all its rows are lost. Restore a backup into an empty database. Do not "
        "create the table by hand"
    ),
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
    "ALTER TABLE tokens ALTER COLUMN may_rotate DROP DEFAULT": "The column tokens.may_rotate has lost its default.",
    "ALTER TABLE users DROP CONSTRAINT ck_users_role": "The check ck_users_role of users is missing.",
}
ADDED_ON_BOTH = {
    "CREATE UNIQUE INDEX mine ON tokens (name)": "a unique index or constraint mine on tokens (name)",
    "CREATE UNIQUE INDEX mine ON users (lower(name))": "a unique index or constraint mine on users (())",
    "CREATE UNIQUE INDEX mine ON environments (owner_id, kind, name) WHERE kind = 'environment'": (
        "a unique index or constraint mine on environments (owner_id, kind, name)"
    ),
    "ALTER TABLE tokens ADD COLUMN note text CHECK (length(note) < 5)": "There is a check ",
    "ALTER TABLE tokens ADD COLUMN note text CONSTRAINT short CHECK (note <> '')": "There is a check short on tokens.",
}
ADDED_ON_SQLITE = {
    "CREATE TRIGGER mine AFTER INSERT ON tokens BEGIN DELETE FROM tokens; END": "a trigger mine on tokens.",
    "CREATE TRIGGER mine BEFORE DELETE ON layers BEGIN SELECT raise(IGNORE); END": "a trigger mine on layers.",
    "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = replace(sql, 'note text', 'note text NOT NULL') "
    "WHERE name = 'tokens'": "The column tokens.note does not belong to Strongroom, and is NOT NULL without a default",
}
ADDED_ON_POSTGRESQL = {
    "ALTER TABLE tokens ADD COLUMN note text NOT NULL": "Drop it, or give it a default.",
    "ALTER TABLE tokens ADD CONSTRAINT mine UNIQUE (name)": "a unique index or constraint mine on tokens (name)",
    "CREATE TRIGGER mine BEFORE UPDATE ON users FOR EACH ROW "
    "EXECUTE FUNCTION suppress_redundant_updates_trigger()": "a trigger mine on users.",
    "CREATE RULE mine AS ON DELETE TO audit_events DO INSTEAD NOTHING": "a rule mine on audit_events.",
    "ALTER TABLE tokens ENABLE ROW LEVEL SECURITY": "a row security tokens on tokens.",
    "ALTER TABLE leases ADD CHECK (until_us > 0)": "a check leases_until_us_check on leases.",
    "ALTER TABLE tokens ADD FOREIGN KEY (name) REFERENCES users (name_folded)": "a foreign key from tokens.name to",
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
    faults = inspected(database_url, *change.split("; ")).faults
    assert ON_BOTH[change] in faults[0]
    # A column with another name, and an index with other columns, are also named as strange.
    assert len(faults) == 1 + ("RENAME" in change or "CREATE UNIQUE" in change)


@pytest.mark.parametrize("change", ON_POSTGRESQL)
def test_what_only_postgresql_lets_somebody_change_is_named(fresh_database: FreshDatabase, change: str) -> None:
    [fault] = inspected(fresh_database("postgresql"), change).faults
    assert ON_POSTGRESQL[change] in fault


@pytest.mark.parametrize("change", ADDED_ON_BOTH)
def test_what_somebody_has_added_is_named_if_it_can_refuse_a_write(database_url: str, change: str) -> None:
    [fault] = inspected(database_url, change).faults
    assert ADDED_ON_BOTH[change] in fault
    assert fault.endswith("It does not belong to Strongroom, and can refuse or change what is written. Drop it.")


@pytest.mark.parametrize("change", ADDED_ON_SQLITE)
def test_what_is_added_on_sqlite_is_named(fresh_database: FreshDatabase, change: str) -> None:
    statements = [change]
    if "writable_schema" in change:
        # No statement of SQLite adds such a column. A table that was made anew can have it.
        statements = ["ALTER TABLE tokens ADD COLUMN note text", *change.split("; ")]
    [fault] = inspected(fresh_database("sqlite"), *statements).faults
    assert ADDED_ON_SQLITE[change] in fault


@pytest.mark.parametrize("change", ADDED_ON_POSTGRESQL)
def test_what_is_added_on_postgresql_is_named(fresh_database: FreshDatabase, change: str) -> None:
    found = inspected(fresh_database("postgresql"), change)
    [fault] = found.faults
    assert ADDED_ON_POSTGRESQL[change] in fault
    assert found.extras == []


def test_a_table_that_may_not_be_read_is_named(fresh_database: FreshDatabase) -> None:
    # The role ends with the transaction's rollback, because roles belong to the whole server.
    storage = Storage(fresh_database("postgresql"))
    with storage.writing.connect() as connection:
        for statement in (
            "CREATE ROLE guest",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest",
            "REVOKE SELECT ON tokens FROM guest",
            "SET ROLE guest",
        ):
            connection.execute(sa.text(statement))
        [fault] = inspect_schema(connection).faults
        connection.rollback()
    storage.close()
    assert fault.startswith("The database user may not read the table tokens.")


@pytest.mark.parametrize("revision", ["0001", "0002"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_older_schema_is_compared_with_the_tables_that_it_had(
    fresh_database: FreshDatabase, kind: Kind, revision: str
) -> None:
    url = fresh_database(kind, migrated=False)
    at_revision(url, revision)
    with transaction(url) as connection:
        assert inspect_database(connection) == Inspected()
        for statement in (
            "DROP INDEX uq_environments_living",
            "CREATE UNIQUE INDEX mine ON tokens (name)",
            "ALTER TABLE users DROP COLUMN second_factor",
        ):
            connection.execute(sa.text(statement))
        faults = inspect_database(connection).faults
    assert sorted(fault[:37] for fault in faults) == [
        "The column users.second_factor is mis",
        "The index uq_environments_living of e",
        "There is a unique index or constraint",
    ]
    [index] = [fault for fault in faults if "uq_environments_living" in fault]
    assert "WHERE deleted_us IS NULL" in index


def test_a_schema_that_no_release_has_made_is_said_to_be_that(database_url: str) -> None:
    with transaction(database_url) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
        with pytest.raises(StorageError, match="No release has made the schema 0000"):
            inspect_database(connection)


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
    """Four statements, whatever the number of tables."""
    storage, seen = Storage(database_url), []
    sa.event.listen(storage.reading, "before_cursor_execute", lambda _c, _k, statement, *_: seen.append(statement))
    with storage.reading.connect() as connection:
        inspect_schema(connection)
    storage.close()
    assert len(seen) == 4
