"""The catalogue of row formats: which formats after the first may be written, and what columns they have.

A format is *open* once it stands here. It is opened when every living worker knows it (`services/row_formats.py`), and
stays open. A process of an older release learns the columns of a newer format from here (`adopting.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select, update

from vault.errors import StorageError
from vault.storage.repository import Record, Repository
from vault.storage.signed import Before, SignedTable
from vault.storage.tables import row_formats


class RowFormats(Repository):
    """The formats that are open. The format of these rows never changes: every release must be able to read them."""

    signed = SignedTable(row_formats, uncovered=("settled_us",))

    def list(self) -> list[Record]:
        """All that are open, the oldest first."""
        return self.all(select(row_formats).order_by(row_formats.c.number, row_formats.c.table_name))

    def open(self, table: str, number: int, added: Mapping[str, Before], now_us: int) -> None:
        """Open a format, which adds these columns to the one before it."""
        self.add(
            id=f"{table}.{number}",
            table_name=table,
            number=number,
            columns=json.dumps(added, separators=(",", ":")),
            opened_us=now_us,
        )

    def settle(self, table: str, number: int, now_us: int | None) -> None:
        """Note when no row of an older format was left; None where there may be some again."""
        one = (row_formats.c.table_name == table) & (row_formats.c.number == number)
        self._connection.execute(update(row_formats).where(one).values(settled_us=now_us))


def numbers_of(rows: Iterable[Record]) -> dict[str, frozenset[int]]:
    """The numbers that these rows of the catalogue open, by table."""
    found: dict[str, set[int]] = {}
    for row in rows:
        found.setdefault(row.table_name, set()).add(row.number)
    return {table: frozenset(numbers) for table, numbers in found.items()}


def unknown_to(tables: Mapping[str, SignedTable], rows: Sequence[Record]) -> list[str]:
    """The ids of formats that this process cannot check. A table that it does not know at all is no concern of it."""
    return [row.id for row in rows if row.table_name in tables and row.number not in tables[row.table_name].layouts]


def check_adopted(tables: Mapping[str, SignedTable], rows: Iterable[Record]) -> None:
    """Raise `StorageError` unless the formats of this process have the columns that these checked rows name.

    A process adopts formats before it has a key to check the catalogue with, so the database could have shown it other
    columns, or other values of before, than it shows now.
    """
    for row in rows:
        signed = tables.get(row.table_name)
        if signed is not None and row.number in signed.layouts and signed.added_by(row.number) != added_by(row):
            raise StorageError(f"Row format {row.id} has other columns in the database than in this process.")


def added_by(row: Record) -> dict[str, Before]:
    """The columns that a format adds. Raises `StorageError` for a row that no release has written."""
    try:
        added = json.loads(row.columns)
    except (ValueError, RecursionError):
        added = None
    if (
        not isinstance(added, dict)
        or not isinstance(row.number, int)
        or not all(isinstance(value, Before) for value in added.values())
    ):
        raise StorageError(f"The catalogue of row formats is damaged at {row.id}: restore a backup.")
    return added
