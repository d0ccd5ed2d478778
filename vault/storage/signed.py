"""Rows that carry authority are signed: each has a MAC over its table, its key and its columns.

Someone who can write to the database but does not hold the vault's keys can neither forge nor widen a row. What they
can do is put an old row back together with its old MAC; the audit finds that.

A table's columns grow from release to release, so a row's format has a number: that of the migration that brought its
newest covered column. `row_format` says which format signed a row.

    format 1   id | name role state                       | the columns of migration 0001
    format 3   id | name role state must_change_password  | and one that migration 0003 has added

A MAC covers exactly the columns of its row's format. Every newer covered column must still hold the value that it had
before it existed: anything else was written by someone without the keys. The number itself needs no MAC: a MAC's
encoding holds the names of its columns, so a MAC of one format never fits another.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, Table

from vault.crypto import Key, RowFormat, keyed_digest
from vault.errors import MacError
from vault.storage.memo import Memo, size_of

FIRST_FORMAT = 1

_SIGNATURE = ("row_format", "mac_key_id", "mac")
_MEMO_BYTES = 16 * 1024 * 1024
"""For rows whose MAC has been checked once: about 20,000 of them. A checked row costs 1 µs instead of 6."""

Before = None | bool | int | str
"""What a column holds in every row of before it existed: its default, or NULL."""


class FormatNotOpen(Exception):
    """A value needs a column of a row format that must not be written yet. `number` is the format's."""

    def __init__(self, table: str, column: str, number: int) -> None:
        super().__init__(f"{table}.{column} needs row format {number}, which is not open.")
        self.number = number


class RowSigner:
    """The MAC keys of this vault: one signs, all that are not destroyed check."""

    def __init__(
        self, active: Key, retired: Iterable[Key] = (), open_formats: Mapping[str, Iterable[int]] | None = None
    ) -> None:
        """`open_formats` has, for each table, the numbers of the formats after the first that may be written."""
        self._active = active
        self._keys = {key.id: key for key in (active, *retired)}
        self._memo: Memo[tuple[Any, ...], bool] = Memo(_MEMO_BYTES)
        self.open_formats = {table: frozenset(numbers) for table, numbers in (open_formats or {}).items()}
        self.on_unknown_format: Callable[[str, int], None] = _stays_unknown
        """Is told of a row format that this process does not know. Raises `Unavailable` if a newer release made it."""

    @property
    def active(self) -> Key:
        """The key that signs."""
        return self._active

    def is_like(self, other: RowSigner) -> bool:
        """Whether the other one has the same keys, and writes the same formats."""
        mine, theirs = ((each._active, each._keys, each.open_formats) for each in (self, other))
        return mine == theirs

    def sign(self, signed: SignedTable, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return `values` with `row_format`, `mac_key_id` and `mac` for the row that they make.

        A row keeps its format where that is newer than the newest open one: a column that another release has added
        stays under the MAC. Raises `FormatNotOpen`.
        """
        number = max(self.writes(signed), values.get("row_format") or FIRST_FORMAT)
        key, columns = signed.split(values, number)
        mac = signed.layouts[number].format.mac(self._active, key, columns)
        return {**values, "row_format": number, "mac_key_id": self._active.id, "mac": mac}

    def writes(self, signed: SignedTable) -> int:
        """The format of a new row: the newest open one of those that this release has in its own code."""
        usable = signed.own_formats & self.open_formats.get(signed.table.name, frozenset())
        return max(usable, default=FIRST_FORMAT)

    def check(self, signed: SignedTable, row: Sequence[Any]) -> None:
        """Raise `MacError` unless this vault wrote `row` (its values in the order of `signed.order`).

        The very same values with the very same MAC are checked once only: the memo's key is all of them.
        """
        entry = (signed.table.name, *row)
        if self._memo.get(entry, False):
            return
        self.verify(signed, row)
        self._memo.put(entry, True, size_of(entry))

    def verify(self, signed: SignedTable, row: Sequence[Any]) -> None:
        """The same without the memo, for a caller that has one of its own."""
        layout = signed.layouts.get(row[-3])
        key = self._keys.get(row[-2])
        if layout is None:
            self.on_unknown_format(signed.table.name, row[-3])
            raise MacError()
        if key is None or tuple(row[layout.end : -3]) != layout.rest:
            raise MacError()
        width = len(signed.key_names)
        layout.format.check(key, tuple(row[:width]), tuple(row[width : layout.end]), row[-1])

    @property
    def key_id(self) -> str:
        """The key that signs."""
        return self._active.id

    def stamp(self, data: bytes) -> tuple[str, bytes]:
        """The id of the active key and its MAC over `data`: for what is no row of columns."""
        return self._active.id, keyed_digest(self._active, "stamp", data)

    def vouches(self, data: bytes, key_id: str | None, mac: bytes | None) -> bool | None:
        """Whether `mac` is this vault's over `data`; None where its key is not known (any more)."""
        key = self._keys.get(key_id or "")
        if key is None:
            return None
        return mac is not None and hmac.compare_digest(keyed_digest(key, "stamp", data), mac)


class Layout(NamedTuple):
    """Where a format ends in a row that is in `SignedTable.order`, and what the columns of newer formats must hold."""

    format: RowFormat
    end: int
    rest: tuple[Before, ...]


class SignedTable:
    """Which columns of a table are covered: all, less those that carry no authority and say so here.

    `added` has, for each format after the first, its new columns and what each of them held before it existed. The
    formats stand in one order, and each covers all columns of the one before it.
    """

    def __init__(
        self,
        table: Table,
        *,
        uncovered: Sequence[str] = (),
        added: Mapping[int, Mapping[str, Before]] | None = None,
    ) -> None:
        self.table = table
        self.key_names = tuple(column.name for column in table.primary_key)
        newer = {name for columns in (added or {}).values() for name in columns}
        left_out = {*self.key_names, *uncovered, *_SIGNATURE, *newer}
        self._columns = {FIRST_FORMAT: tuple(column.name for column in table.columns if column.name not in left_out)}
        self.before: dict[str, Before] = {}
        self._lay_out()
        for number, columns in sorted((added or {}).items()):
            self.append(number, columns)
        self.own_formats = frozenset(self._columns)
        """The formats that this release has in its own code; the catalogue may add newer ones."""

    def append(self, number: int, added: Mapping[str, Before]) -> None:
        """Add a format: the newest so far, and `added`. Raises `ValueError`."""
        newest = self.newest
        if number <= newest or not added:
            raise ValueError(f"Row format {number} of {self.table.name} does not follow format {newest}.")
        missing = [name for name in added if name not in self.table.columns or name in self.order]
        if missing:
            raise ValueError(f"Row format {number} of {self.table.name} cannot add {', '.join(missing)}.")
        self._columns[number] = (*self._columns[newest], *added)
        self.before |= added
        self._lay_out()

    def _lay_out(self) -> None:
        # Format 1 first, then what each format added: the columns of a format are always the beginning of a row.
        width = len(self.key_names)
        self.newest = max(self._columns)
        self.covered = self._columns[self.newest]
        self.order = (*self.key_names, *self.covered, *_SIGNATURE)
        self.layouts = {
            number: Layout(
                RowFormat(self.table.name, names),
                width + len(names),
                tuple(self.before[name] for name in self.covered[len(names) :]),
            )
            for number, names in self._columns.items()
        }

    @property
    def columns(self) -> list[Column[Any]]:
        """The columns in the order that `RowSigner.check` takes them in."""
        return [self.table.columns[name] for name in self.order]

    def added_by(self, number: int) -> dict[str, Before]:
        """The columns that a format adds to the one before it, with what they held before; none for the first."""
        earlier = max((each for each in self._columns if each < number), default=number)
        return {name: self.before[name] for name in self._columns[number][len(self._columns[earlier]) :]}

    def split(self, values: Mapping[str, Any], number: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The primary key and what format `number` covers of `values`. Raises `FormatNotOpen`."""
        names = self._columns[number]
        for name in self.covered[len(names) :]:
            if values.get(name, self.before[name]) != self.before[name]:
                raise FormatNotOpen(self.table.name, name, self._brought(name))
        return tuple(values[name] for name in self.key_names), tuple(values[name] for name in names)

    def ordered(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """`values` in the order that `RowSigner.check` takes them in."""
        return tuple(values[name] for name in self.order)

    def _brought(self, name: str) -> int:
        return min(number for number, names in self._columns.items() if name in names)


def _stays_unknown(_table: str, _number: int) -> None:
    """No release is known that made such a format, so the row is a forgery."""
