"""Rows of archives of older and newer schemas, as rows of this one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from vault.errors import StorageError
from vault.storage.database.other_schema import Part, as_here, left_out
from vault.storage.database.past_schema import tables_at
from vault.storage.database.schema import SCHEMA, SCHEMA_NUMBER
from vault.storage.walks.snapshot import LEFT_OUT

NEWER = f"{SCHEMA_NUMBER + 1:04}"
NAMES = ("id", "owner_id", "name")


def parts(schema: str, table: str, columns: Sequence[str], *rows: Sequence[Any]) -> list[tuple[str, Any, Any]]:
    """What becomes of rows, with every row read."""
    found = as_here(schema, Part(table, tuple(columns), iter(rows)))
    return [(part.table, part.columns, [tuple(row) for row in part.rows]) for part in found]


@pytest.mark.parametrize("locked", [True, False, 1, 0])
def test_the_lock_of_0001_becomes_a_row_of_its_own(locked: Any) -> None:
    state, flag = parts("0001", "vault_state", ("id", "locked", "created_us"), (1, locked, 5))
    assert state == ("vault_state", ("id", "created_us", "row_format"), [(1, 5, 1)])
    assert flag == ("lock_flag", ("id", "locked", "changed_us"), [(1, locked, 0)])


def test_rows_of_0001_have_the_first_format() -> None:
    assert parts("0001", "grants", ("id", "mac"), ("a", "m"), ("b", "n")) == [
        ("grants", ("id", "mac", "row_format"), [("a", "m", 1), ("b", "n", 1)])
    ]


def test_columns_that_came_later_hold_what_they_held_before() -> None:
    columns = ("id", "row_format", "mac")
    [(table, names, [row])] = parts("0002", "users", columns, ("a", 1, "m"))
    assert (table, names[:3], row[:3]) == ("users", columns, ("a", 1, "m"))
    assert dict(zip(names, row, strict=True))["must_change_password"] is False


def test_a_table_without_signed_rows_stays_as_it_is() -> None:
    assert parts("0001", "audit_events", ("id", "at_us"), ("a", 1)) == [("audit_events", ("id", "at_us"), [("a", 1)])]


def test_rows_of_this_schema_stay_as_they_are() -> None:
    rows = [("a", 2, "m")]
    assert parts(SCHEMA, "tokens", ("id", "row_format", "mac"), *rows)[0][2][0][:3] == rows[0]
    assert parts(SCHEMA, "vault_state", ("id", "row_format"), (1, 1))[0][0] == "vault_state"


@pytest.mark.parametrize("schema", [NEWER, "9999", "from_the_future"])
def test_of_a_newer_schema_empty_columns_and_tables_are_left(schema: str) -> None:
    rows = [("a", "o", "n", None, None), ("b", "o", "m", None, None)]
    assert parts(schema, "environments", (*NAMES, "expires_us", "a_list"), *rows) == [
        ("environments", NAMES, [("a", "o", "n"), ("b", "o", "m")])
    ]
    assert parts(schema, "tickets", ("id",)) == []


@pytest.mark.parametrize("value", [0, "", False, "x"])
def test_a_value_that_only_a_newer_release_knows_is_refused_and_named(value: Any) -> None:
    with pytest.raises(StorageError, match=r"does not know: environments\.expires_us"):
        parts(NEWER, "environments", (*NAMES, "expires_us"), ("a", "o", "n", None), ("b", "o", "m", value))


@pytest.mark.parametrize("table", ["tickets", "robots", min(LEFT_OUT)])
def test_a_row_of_a_table_that_only_a_newer_release_keeps_is_refused_and_named(table: str) -> None:
    with pytest.raises(StorageError, match=f"does not know: {table}"):
        parts(NEWER, table, ("id",), ("a",))


def columns_at(schema: str) -> dict[str, tuple[str, ...]]:
    tables = tables_at(schema).tables.values()
    return {table.name: tuple(table.columns.keys()) for table in tables if table.name not in LEFT_OUT}


@pytest.mark.parametrize("schema", ["0001", "0002", SCHEMA])
def test_an_archive_with_all_tables_and_columns_lacks_nothing(schema: str) -> None:
    assert left_out(schema, columns_at(schema)) == []


@pytest.mark.parametrize("made_by", ["0001", "0002"])
def test_an_archive_by_an_older_release_lacks_what_that_did_not_know(made_by: str) -> None:
    missing = left_out(SCHEMA, columns_at(made_by))
    assert {"trusts", "unlock_keys", "environments.base_ids", "users.must_change_password"} <= set(missing)
    assert ("row_formats" in missing) == (made_by == "0001")


def test_a_table_of_an_older_schema_is_missed_too() -> None:
    whole = columns_at("0002")
    assert left_out("0002", {name: names for name, names in whole.items() if name != "grants"}) == ["grants"]
    assert left_out("0002", whole | {"grants": whole["grants"][:-1]}) == [f"grants.{whole['grants'][-1]}"]


def test_an_archive_with_a_newer_schema_must_have_all_that_is_known_here() -> None:
    whole = columns_at(SCHEMA)
    assert left_out("0099", whole | {"later": ("id",)}) == []
    assert left_out("0099", {name: names for name, names in whole.items() if name != "trusts"}) == ["trusts"]


@pytest.mark.parametrize("schema", ["9" * 5000, "\u0662", "\u00b2", "-1", ""])
def test_a_schema_that_is_no_number_is_a_newer_one(schema: str) -> None:
    whole = columns_at(SCHEMA)
    assert left_out(schema, whole) == []
    with pytest.raises(StorageError, match="does not know: later"):
        parts(schema, "later", ("id",), ("a",))
