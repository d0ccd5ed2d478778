"""The catalogue of row formats: the formats after the first that may be written, and their columns.

A format in this catalogue is *open*. It is opened when every running worker knows it (`services/keys/upgrading.py`),
and it stays open. A process of an older release reads the columns of a newer format from here (`adopting.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, LargeBinary, case, cast, func, select, update

from vault.errors import StorageError
from vault.storage.signing.repository import Repository
from vault.storage.signing.signed import Before, SignedTable
from vault.storage.signing.signed_row import SignedRow
from vault.storage.tables import row_formats

_FORMATS_MOST = 500
_BYTES_MOST = 8 * 1024
"""Releases write under 100 formats and under 300 bytes in one value. These rows are read before any key is available,
so the limit must protect every process from somebody with access to the database.
"""


@dataclass(frozen=True, slots=True)
class OpenFormat(SignedRow):
    """A row format that may be written."""

    id: str
    table_name: str
    number: int
    columns: str
    opened_us: int
    settled_us: int | None


class RowFormats(Repository[OpenFormat]):
    """The open formats. The format of these rows never changes, so that every release can read them."""

    noun = OpenFormat
    signed = SignedTable(row_formats, uncovered=("settled_us",))

    def list(self) -> list[OpenFormat]:
        """Return all open formats, the oldest first."""
        found = stored_formats(self._connection)
        for row in found:
            self._signer.check(self.signed, self.signed.ordered(row.values()))
        return found

    def open(self, table: str, number: int, added: Mapping[str, Before], now_us: int) -> None:
        """Open a format that adds these columns to the previous one."""
        self.add(
            id=f"{table}.{number}",
            table_name=table,
            number=number,
            columns=json.dumps(added, separators=(",", ":")),
            opened_us=now_us,
        )

    def settle(self, table: str, number: int, now_us: int | None) -> None:
        """Store when no row of an older format was left, or None if there may be some again."""
        one = (row_formats.c.table_name == table) & (row_formats.c.number == number)
        self._connection.execute(update(row_formats).where(one).values(settled_us=now_us))


def stored_formats(connection: Connection) -> list[OpenFormat]:
    """Return the stored catalogue, the oldest format first. No MAC is checked.

    Raises `StorageError` if it is larger than the catalogue of any release. It is not read then.
    """
    bounded = []
    for column in row_formats.columns:
        size = func.octet_length(column)
        if connection.dialect.name == "sqlite":
            # SQLite counts a text in characters, and only up to its first NUL.
            size = func.length(cast(column, LargeBinary))
        is_number = column.type.python_type is int and connection.dialect.name != "sqlite"
        bounded.append(column if is_number else case((size <= _BYTES_MOST, column)).label(column.name))
    statement = select(*bounded).order_by(row_formats.c.number, row_formats.c.table_name).limit(_FORMATS_MOST + 1)
    rows = connection.execute(statement).all()
    is_too_large = any(row._mapping[column.name] is None for row in rows for column in _REQUIRED)
    if len(rows) > _FORMATS_MOST or is_too_large:
        raise StorageError(
            f"The catalogue of row formats has over {_FORMATS_MOST:,} rows, or a value of over {_BYTES_MOST:,} bytes. "
            "No release writes that, so somebody with access to the database did. Restore a backup."
        )
    return [RowFormats.signed.maker(OpenFormat, row._fields)(row) for row in rows]


_REQUIRED = [column for column in row_formats.columns if not column.nullable]


def numbers_of(rows: Iterable[OpenFormat]) -> dict[str, frozenset[int]]:
    """Return the open format numbers of each table."""
    found: dict[str, set[int]] = {}
    for row in rows:
        found.setdefault(row.table_name, set()).add(row.number)
    return {table: frozenset(numbers) for table, numbers in found.items()}


def unknown_to(tables: Mapping[str, SignedTable], rows: Sequence[OpenFormat]) -> list[str]:
    """Return the ids of formats that this process cannot check, for the tables that it knows."""
    return [row.id for row in rows if row.table_name in tables and row.number not in tables[row.table_name].layouts]


def check_adopted(tables: Mapping[str, SignedTable], rows: Iterable[OpenFormat]) -> None:
    """Raise `StorageError` unless the formats of this process have the columns that these checked rows name.

    A process adopts formats before it has a key to check the catalogue, so it may have read a forged one.
    """
    for row in rows:
        signed = tables.get(row.table_name)
        if signed is not None and row.number in signed.layouts and signed.added_by(row.number) != added_by(row):
            raise StorageError(
                f"Row format {row.id} has other columns in the database than in this process. Restart the process."
            )


def added_by(row: OpenFormat) -> dict[str, Before]:
    """Return the columns that a format adds, with their earlier values. Raises `StorageError` for a damaged row."""
    number: object = row.number
    try:
        # This is also called for the rows of an archive, before they are verified.
        added = json.loads(row.columns) if len(row.columns) <= _BYTES_MOST else None
    except (TypeError, ValueError, RecursionError):
        added = None
    if (
        not isinstance(added, dict)
        or not isinstance(number, int)
        or not all(isinstance(value, Before) for value in added.values())
    ):
        raise StorageError(f"The catalogue of row formats is damaged at {row.id}. Restore a backup.")
    return added
