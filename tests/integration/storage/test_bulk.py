"""Many rows at once, as a restore inserts them: exactly as INSERT stores them, or refused with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from tests.conftest import FreshDatabase
from vault.errors import DatabaseUnavailable, StorageError
from vault.storage import Storage
from vault.storage.database.bulk import insert_many
from vault.storage.tables import users
from vault.storage.walks.snapshot import write_rows

TEXTS = ["", "\\N", "\\", "a\tb", "a\nb\r\n", "\\.", '"', "'", "ä€𝄞", "NULL", "{1,2}", "\x7f", "1e3"]
COLUMNS = (
    "id",
    "name",
    "name_folded",
    "role",
    "state",
    "second_factor",
    "created_us",
    "row_version",
    "mac_key_id",
    "mac",
)


@pytest.fixture
def storage(database_url: str) -> Iterator[Storage]:
    opened = Storage(database_url, pool_size=1)
    yield opened
    opened.close()


def person(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "id": f"id-{number}", "name": f"name-{number}", "name_folded": f"name-{number}", "role": "user",
        "state": "active", "second_factor": number % 2 == 0, "created_us": 2**53 + number, "row_version": 1,
        "mac_key_id": "key", "mac": bytes(range(256))[:32],
    }  # fmt: skip
    return row | changes


def archived(number: int, **changes: Any) -> list[Any]:
    """A row as an archive has it: bytes are base64."""
    row = person(number, mac="AAAA") | changes
    return [row[name] for name in COLUMNS]


def stored(storage: Storage) -> list[tuple[object, ...]]:
    with storage.read() as unit:
        columns = [users.c[name] for name in COLUMNS]
        return [tuple(row) for row in unit.connection.execute(sa.select(*columns).order_by(users.c.id))]


def test_each_value_is_stored_as_an_insert_stores_it(storage: Storage) -> None:
    rows = [person(number, name=text, name_folded=f"{number} {text}") for number, text in enumerate(TEXTS)]
    with storage.write() as unit:
        unit.connection.execute(sa.insert(users), rows)
    inserted = stored(storage)
    with storage.write() as unit:
        unit.connection.execute(sa.delete(users))
        insert_many(unit.connection, users, rows)
    assert stored(storage) == inserted
    assert len(inserted) == len(TEXTS)


@pytest.mark.parametrize(
    "bad",
    [
        {"name": "a\0b"}, {"id": "x" * 300}, {"created_us": 2**70}, {"created_us": "later"}, {"state": None},
        {"id": "id-0"}, {"second_factor": "perhaps"}, {"mac": "no base64"}, {"name": {"a": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_a_row_that_postgresql_refuses_is_told_and_nothing_is_stored(
    fresh_database: FreshDatabase, bad: dict[str, Any]
) -> None:
    storage = Storage(fresh_database("postgresql"), pool_size=1)
    rows, broken = [archived(number) for number in range(3)], archived(3, **bad)
    with pytest.raises(StorageError, match="the table users does not accept"), storage.write() as unit:
        write_rows(unit, "users", COLUMNS, [*rows, broken])
    assert stored(storage) == []
    with storage.write() as unit:
        write_rows(unit, "users", COLUMNS, [*rows, archived(3)])
    assert len(stored(storage)) == 4
    storage.close()


@pytest.mark.parametrize("bad", [{"created_us": 2**63}, {"second_factor": "perhaps"}, {"mac": "no base64"}], ids=str)
def test_a_row_that_the_driver_refuses_is_told_and_nothing_is_stored(storage: Storage, bad: dict[str, Any]) -> None:
    with pytest.raises(StorageError, match="the table users does not accept"), storage.write() as unit:
        write_rows(unit, "users", COLUMNS, [archived(0), archived(1, **bad)])
    assert stored(storage) == []


def test_rows_without_a_column_that_they_need_are_told(storage: Storage) -> None:
    with pytest.raises(StorageError, match="the table tokens does not accept"), storage.write() as unit:
        write_rows(unit, "tokens", ("id",), [["a"]])


def test_postgresql_knows_at_once_how_many_rows_there_are(fresh_database: FreshDatabase) -> None:
    """Without that, each statement of a restore's checks would read whole tables."""
    storage = Storage(fresh_database("postgresql"), pool_size=1)
    with storage.write() as unit:
        write_rows(unit, "users", COLUMNS, [archived(number) for number in range(300)])
        found = unit.connection.exec_driver_sql("SELECT reltuples FROM pg_class WHERE relname = 'users'")
        assert found.scalar_one() == 300
    storage.close()


def test_a_full_disk_is_not_the_fault_of_the_rows(fresh_database: FreshDatabase) -> None:
    storage = Storage(fresh_database("sqlite"), pool_size=1)

    def fill_the_disk() -> None:
        with storage.write() as unit:
            pages = unit.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            unit.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
            write_rows(unit, "users", COLUMNS, [archived(number) for number in range(3000)])

    with pytest.raises(DatabaseUnavailable):
        fill_the_disk()
    assert stored(storage) == []
    storage.close()
