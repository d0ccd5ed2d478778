"""Migrations after 0002 run while an older release serves, so they only add, and add nothing that must be given."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from tests.conftest import FreshDatabase
from tests.integration.storage.test_upgrade import at_revision, scripts, transaction
from vault.storage.signing.authority import SIGNED_TABLES

STOPPED = {"0001", "0002"}
"""Migrations that need a stop: the first, and the one that made all others possible."""


def schema(url: str) -> dict[str, Any]:
    """Tables with their columns, indexes and unique constraints, as the database tells them."""
    with transaction(url) as connection:
        looked = sa.inspect(connection)
        return {
            table: {
                "columns": {column["name"]: column for column in looked.get_columns(table)},
                "unique": {tuple(each["column_names"]) for each in looked.get_unique_constraints(table)},
                "indexes": {each["name"]: each["unique"] for each in looked.get_indexes(table)},
                "checks": {each["sqltext"] for each in looked.get_check_constraints(table)},
            }
            for table in looked.get_table_names()
        }


def contractions(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What an older release could stumble over."""
    found = [f"{table} is gone" for table in before if table not in after]
    for table in before.keys() & after.keys():
        was, now = before[table], after[table]
        for name, column in was["columns"].items():
            there = now["columns"].get(name)
            if there is None:
                found.append(f"{table}.{name} is gone")
            elif (str(there["type"]), there["nullable"]) != (str(column["type"]), column["nullable"]):
                found.append(f"{table}.{name} has changed")
        for name in now["columns"].keys() - was["columns"].keys():
            column = now["columns"][name]
            if not column["nullable"] and column["default"] is None:
                found.append(f"{table}.{name} must be given")
        if now["unique"] - was["unique"] or any(
            now["indexes"][name] for name in now["indexes"].keys() - was["indexes"]
        ):
            found.append(f"{table} has a new unique constraint")
        if now["checks"] - was["checks"]:
            found.append(f"{table} has a new check")
    return found


def test_later_migrations_only_expand_or_say_that_they_do_not(fresh_database: FreshDatabase) -> None:
    url = fresh_database("postgresql", migrated=False)
    at_revision(url, max(STOPPED))
    expected = int(max(STOPPED))
    for script in scripts():
        if script.revision in STOPPED:
            continue
        before = schema(url)
        at_revision(url, script.revision)
        after = schema(url)
        found = contractions(before, after)
        # One that only expands keeps the oldest reader of the one before it; any other lets none but its own release.
        expected = int(script.revision) if found else expected
        with transaction(url) as connection:
            rows = connection.execute(sa.text("SELECT revision, oldest_reader FROM schema_readers"))
            readers = {row.revision: row.oldest_reader for row in rows}
        assert script.revision in readers, f"{script.revision} has no row in schema_readers."
        assert readers[script.revision] == expected, f"The oldest reader of {script.revision}, which changes {found}."
        assert misplaced(int(script.revision), before, after) == []


def misplaced(number: int, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What a migration adds to signed tables, where `added` says otherwise."""
    found = []
    for name in before.keys() & SIGNED_TABLES.keys():
        signed = SIGNED_TABLES[name]
        new = (after[name]["columns"].keys() - before[name]["columns"].keys()) & set(signed.covered)
        told = signed.added_by(number) if number in signed.own_formats else {}
        if new != told.keys():
            found.append(f"{name}: migration {number:04} adds {sorted(new)}, and `added` has {sorted(told)} for it.")
    return found


def test_a_column_under_the_number_of_another_migration_is_seen() -> None:
    before: dict[str, Any] = {"users": {"columns": {}}}
    after = {"users": {"columns": dict.fromkeys(SIGNED_TABLES["users"].covered)}}
    assert "adds ['created_us'," in misplaced(99, before, after)[0]
    assert misplaced(99, before, before) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ALTER TABLE users DROP COLUMN role", "users.role is gone"),
        ("ALTER TABLE users RENAME COLUMN role TO part", "users.role is gone"),
        ("DROP TABLE leases", "leases is gone"),
        ("ALTER TABLE users ADD COLUMN part text NOT NULL", "users.part must be given"),
        ("ALTER TABLE leases ALTER COLUMN until_us DROP NOT NULL", "leases.until_us has changed"),
        ("ALTER TABLE leases ALTER COLUMN name TYPE text", "leases.name has changed"),
        ("CREATE UNIQUE INDEX uq_tokens_name ON tokens (name)", "tokens has a new unique constraint"),
        ("ALTER TABLE leases ADD CHECK (until_us > 0)", "leases has a new check"),
    ],
)
def test_each_kind_of_contraction_is_seen(fresh_database: FreshDatabase, change: str, told: str) -> None:
    url = fresh_database("postgresql")
    before = schema(url)
    with transaction(url) as connection:
        connection.execute(sa.text(change))
    assert told in contractions(before, schema(url))
