"""Somebody who writes to the database and holds no key forges the catalogue of row formats, and what stands beside it.

A process adopts formats before it has a key, so these rows are read twice: what was adopted is held against what this
vault has signed.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.vaults import run_sql, write
from vault.errors import StorageError
from vault.services import Services
from vault.services.own.keys import open_own_keys
from vault.storage import UnitOfWork, first_rows, schema_status, watched
from vault.storage.database.adopting import adopt
from vault.storage.database.schema import SCHEMA_NUMBER
from vault.storage.signing.authority import SIGNED_TABLES
from vault.storage.signing.later_formats import format_states
from vault.storage.signing.row_formats import added_by
from vault.storage.signing.signed import FIRST_FORMAT, SignedTable
from vault.storage.tables import row_formats, users

TRUE = {"must_change": False}
NEXT = SCHEMA_NUMBER + 1
_USERS = SIGNED_TABLES["users"]
OWN = {number: _USERS.added_by(number) for number in _USERS.own_formats - {FIRST_FORMAT}}


def users_with(added: dict[str, Any]) -> SignedTable:
    """The table of users in a process that has adopted the next format with these columns."""
    copy = users.to_metadata(sa.MetaData())
    for name in added:
        copy.append_column(sa.Column(name, sa.Boolean))
    return SignedTable(copy, uncovered=("change_seq",), added={**OWN, NEXT: added})


@pytest.mark.parametrize(
    ("adopted", "is_refused"),
    [(TRUE, False), ({"must_change": True}, True), ({"must_change": None}, True), ({**TRUE, "more": 0}, True)],
)
def test_a_process_that_was_shown_another_catalogue_opens_no_vault(
    vault: Services, monkeypatch: pytest.MonkeyPatch, adopted: dict[str, Any], is_refused: bool
) -> None:
    write(vault, lambda unit: unit.row_formats.open("users", NEXT, TRUE, 5))
    with vault.storage.read() as unit:
        rows = first_rows(unit.connection)
    assert rows is not None
    monkeypatch.setattr("vault.services.own.keys.SIGNED_TABLES", {"users": users_with(adopted)})
    if not is_refused:
        assert open_own_keys(rows, vault.instance.keyring, None).state == rows.state
        return
    with pytest.raises(StorageError, match="other columns in the database than in this process"):
        open_own_keys(rows, vault.instance.keyring, None)


@pytest.mark.parametrize(
    ("number", "columns"),
    [
        ("1", '{"role":"operator"}'),
        ("0", '{"change_seq":0}'),
        ("99", "[" * 100_000),
        ("99", '["change_seq"]'),
        ("99", '{"change_seq":0.5}'),
        ("99", '{"mac":null}'),
        ("99", '{"no_such_column":1}'),
    ],
)
def test_a_forged_row_of_the_catalogue_is_refused_with_a_sentence(vault: Services, number: str, columns: str) -> None:
    forge(vault, number, columns)
    with vault.storage.read() as unit, pytest.raises(StorageError):
        adopt(unit.connection)


# PostgreSQL takes no text there.
@pytest.mark.parametrize("vault", ["sqlite"], indirect=True)
def test_a_forged_number_that_is_none_is_refused_with_a_sentence(vault: Services) -> None:
    forge(vault, "'x'", '{"change_seq":0}')
    with vault.storage.read() as unit, pytest.raises(StorageError, match="damaged at users"):
        adopt(unit.connection)


def forge(vault: Services, number: str, columns: str) -> None:
    key = "(SELECT mac_key_id FROM users LIMIT 1)"
    run_sql(
        vault,
        "INSERT INTO row_formats (id, table_name, number, columns, opened_us, row_version, mac_key_id, mac)"
        f" VALUES ('users', 'users', {number}, :columns, 1, 1, {key}, :mac)",
        columns=columns,
        mac=bytes(32),
    )


def test_a_vault_whose_lock_flag_is_gone_is_locked(vault: Services) -> None:
    run_sql(vault, "DELETE FROM lock_flag")
    with vault.storage.read() as unit:
        found = watched(unit.connection)
    assert found is not None
    assert found.locked


# Nothing puts the revision of a shared server back.
@pytest.mark.parametrize("vault", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO alembic_version VALUES ('0099')",
        "UPDATE alembic_version SET version_num = '9999'",
        "UPDATE alembic_version SET version_num = 'x'",
    ],
)
def test_a_revision_that_no_release_has_made_is_newer(vault: Services, sql: str) -> None:
    run_sql(vault, sql)
    with vault.storage.read() as unit:
        assert schema_status(unit.connection).state == "newer"


# PostgreSQL takes no text there.
@pytest.mark.parametrize("vault", ["sqlite"], indirect=True)
def test_a_reader_that_is_no_number_lets_nobody_in(vault: Services) -> None:
    run_sql(vault, "UPDATE alembic_version SET version_num = '0099'")
    run_sql(vault, "INSERT INTO schema_readers VALUES ('0099', 'two')")
    with vault.storage.read() as unit:
        assert schema_status(unit.connection).state == "newer"


READS: dict[str, Callable[[UnitOfWork], object]] = {
    "adopt": lambda unit: adopt(unit.connection),
    "first_rows": lambda unit: first_rows(unit.connection),
    "format_states": lambda unit: format_states(unit.connection, 0),
    "list": lambda unit: unit.row_formats.list(),
}
"""Everything that reads the catalogue."""

LARGE = 20_000_000


def overfill(vault: Services, rows: int, **values: Any) -> None:
    """Write rows into the catalogue without a key."""
    [(key_id,)] = run_sql(vault, "SELECT id FROM system_secrets WHERE purpose = 'mac'")
    row = {"table_name": "users", "number": 1, "columns": "{}", "opened_us": 1, "row_version": 1, "mac": b"m" * 32}
    with vault.storage.writing.begin() as connection:
        forged = [row | {"id": f"users.{number}", "mac_key_id": key_id} | values for number in range(rows)]
        connection.execute(row_formats.insert(), forged)


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(
    ("rows", "values"),
    [(1, {"columns": "x" * LARGE}), (1, {"columns": "\u00e9" * 5000}), (1, {"mac": b"m" * LARGE}), (600, {})],
    ids=["a long text", "more bytes than characters", "a long MAC", "many rows"],
)
def test_a_catalogue_that_is_too_large_is_not_loaded(
    vault: Services, read: str, rows: int, values: dict[str, Any]
) -> None:
    overfill(vault, rows, **values)
    with vault.storage.read() as unit:
        tracemalloc.start()
        try:
            with pytest.raises(
                StorageError, match=r"catalogue of row formats has over 500 rows, or a value of over 8,192"
            ):
                READS[read](unit)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < LARGE / 4


def test_a_long_text_of_an_archive_s_catalogue_is_not_parsed() -> None:
    row: Any = SimpleNamespace(id="users.9", number=9, columns="{" + " " * 10_000 + "}")
    with pytest.raises(StorageError, match=r"damaged at users\.9"):
        added_by(row)
    row.columns = '{"one": null}'
    assert added_by(row) == {"one": None}


def test_a_number_and_a_text_with_a_nul_that_sqlite_takes_are_refused(vault: Services) -> None:
    if not vault.storage.is_sqlite:
        with pytest.raises(sa.exc.DataError):
            overfill(vault, 1, columns="{}\0" + "x" * 9000)
        return
    overfill(vault, 1, columns="{}\0" + "x" * 9000)
    with vault.storage.read() as unit, pytest.raises(StorageError, match="has over 500 rows"):
        adopt(unit.connection)
    run_sql(vault, "UPDATE row_formats SET columns = '{}', number = zeroblob(9000)")
    with vault.storage.read() as unit, pytest.raises(StorageError, match="has over 500 rows"):
        adopt(unit.connection)
