"""Signed rows: each has a MAC over its table, its key and its columns.

Somebody who can write to the database but does not have the vault's keys cannot forge or change a row. They can put an
old row back with its old MAC; the audit finds that.

Releases add columns to tables, so row formats are numbered: a format has the number of the migration that added its
newest covered column. `row_format` is the format that signed a row.

    format 1   id | name role state                       | the columns of migration 0001
    format 3   id | name role state must_change_password  | and the column that migration 0003 added

A MAC covers exactly the columns of its row's format. Every newer covered column must have its earlier value (its
default, or NULL): any other value was written without the keys. The number needs no MAC: a MAC covers the names of its
columns, so a MAC of one format is never valid for another.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, cast

from sqlalchemy import Boolean

from vault.crypto import Key, RowFormat, keyed_digest
from vault.errors import MacError
from vault.storage.signing.memo import Memo, RowSize
from vault.storage.signing.signed_row import R, SignedRow, row_maker
from vault.storage.sql_types import AnyColumn, AnyTable, ColumnValue, RawRow, RowValues

FIRST_FORMAT = 1

_SIGNATURE = ("row_format", "mac_key_id", "mac")
_MEMO_BYTES = 16 * 1024 * 1024
"""Memory for about 20,000 checked rows. Checking a row takes 1 µs if it is in the memo, otherwise 6 µs."""

Before = None | bool | int | str
"""The value of a column in all rows that are older than it: its default, or NULL."""


class FormatNotOpen(Exception):
    """A value needs a row format that must not be written yet. `number` is that format."""

    def __init__(self, table: str, column: str, number: int) -> None:
        super().__init__(f"{table}.{column} needs row format {number}, which is not open.")
        self.number = number


class RowSigner:
    """The MAC keys of this vault. One of them signs, and all that are not destroyed can check."""

    def __init__(
        self, active: Key, retired: Iterable[Key] = (), open_formats: Mapping[str, Iterable[int]] | None = None
    ) -> None:
        """`open_formats` are the format numbers after the first that may be written, by table."""
        self._active = active
        self._keys = {key.id: key for key in (active, *retired)}
        self._memo: Memo[RawRow, bool] = Memo(_MEMO_BYTES)
        self.open_formats = {table: frozenset(numbers) for table, numbers in (open_formats or {}).items()}
        self.on_unknown_format: Callable[[str, int], None] = _stays_unknown
        """Called for an unknown row format. It raises `Unavailable` if a newer release made that format."""

    @property
    def active(self) -> Key:
        """Return the key that signs."""
        return self._active

    def is_like(self, other: RowSigner) -> bool:
        """Report whether `other` has the same keys and the same open formats."""
        mine, theirs = ((each._active, each._keys, each.open_formats) for each in (self, other))
        return mine == theirs

    def sign(self, signed: SignedTable, values: RowValues) -> RowValues:
        """Return `values` with the `row_format`, `mac_key_id` and `mac` of their row.

        A row of a newer format keeps it, so that columns of another release stay under the MAC. Raises `FormatNotOpen`.
        """
        number = max(self.writes(signed), values.get("row_format") or FIRST_FORMAT)
        key, columns = signed.split(values, number)
        mac = signed.layouts[number].format.mac(self._active, key, columns)
        return {**values, "row_format": number, "mac_key_id": self._active.id, "mac": mac}

    def writes(self, signed: SignedTable) -> int:
        """Return the format of new rows: the newest open format in this release's own code."""
        usable = signed.own_formats & self.open_formats.get(signed.table.name, frozenset())
        return max(usable, default=FIRST_FORMAT)

    def check(self, signed: SignedTable, row: RawRow) -> None:
        """Raise `MacError` unless this vault wrote `row` (its values in the order of `signed.order`).

        The memo has all values and the MAC as its key, so exactly the same row is checked only once.
        """
        entry = (signed.table.name, *row)
        if self._memo.get(entry, False):
            return
        self.verify(signed, row)
        self._memo.put(entry, True, signed.row_size.of(row))

    def verify(self, signed: SignedTable, row: RawRow) -> None:
        """Check a row without the memo, for a caller with its own memo."""
        layout = signed.layouts.get(row[-3])
        key = self._keys.get(row[-2])
        if layout is None:
            self.on_unknown_format(signed.table.name, row[-3])
            raise MacError()
        if key is None or (layout.rest and tuple(row[layout.end : -3]) != layout.rest):
            raise MacError()
        width = len(signed.key_names)
        layout.format.check(key, tuple(row[:width]), tuple(row[width : layout.end]), row[-1])

    @property
    def key_id(self) -> str:
        """Return the key that signs."""
        return self._active.id

    def stamp(self, data: bytes) -> tuple[str, bytes]:
        """Return the id of the active key and its MAC over `data`, for data that is not a row."""
        return self._active.id, keyed_digest(self._active, "stamp", data)

    def vouches(self, data: bytes, key_id: str | None, mac: bytes | None) -> bool | None:
        """Report whether `mac` is this vault's MAC over `data`, or None if its key is not known."""
        key = self._keys.get(key_id or "")
        if key is None:
            return None
        return mac is not None and hmac.compare_digest(keyed_digest(key, "stamp", data), mac)


class Layout(NamedTuple):
    """One format: `end` is its end in a row in `SignedTable.order`, `rest` the values of newer columns after it."""

    format: RowFormat
    end: int
    rest: tuple[Before, ...]


class SignedTable:
    """The covered columns of a table: all except `uncovered`, which nothing depends on.

    `added` has the new columns of each format after the first, with their earlier values. Each format covers all
    columns of the previous one.
    """

    def __init__(
        self,
        table: AnyTable,
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
        """The formats in this release's own code. The catalogue may add newer ones."""

    def append(self, number: int, added: Mapping[str, Before]) -> None:
        """Add a format with the columns of the newest one and `added`. Raises `ValueError`."""
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
        # The columns of format 1 come first, then those of each later format, so each format is a prefix of a row.
        width = len(self.key_names)
        self.newest = max(self._columns)
        self.covered = self._columns[self.newest]
        self.order = (*self.key_names, *self.covered, *_SIGNATURE)
        self.row_size = RowSize(self.columns)
        self._booleans = [place for place, column in enumerate(self.columns) if isinstance(column.type, Boolean)]
        self._makers: dict[tuple[type[SignedRow], tuple[str, ...]], Callable[[RawRow], SignedRow]] = {}
        self.layouts = {
            number: Layout(
                RowFormat(self.table.name, names),
                width + len(names),
                tuple(self.before[name] for name in self.covered[len(names) :]),
            )
            for number, names in self._columns.items()
        }

    @property
    def columns(self) -> list[AnyColumn]:
        """Return the columns in the order that `RowSigner.check` needs."""
        return [self.table.columns[name] for name in self.order]

    def with_booleans(self, row: RawRow) -> RawRow:
        """Return `row` (its values in the order of `order`), with booleans where SQLite's driver returned numbers."""
        if not self._booleans:
            return row
        values = list(row)
        for place in self._booleans:
            if values[place] is not None:
                values[place] = bool(values[place])
        return values

    def maker(self, noun: type[R], names: tuple[str, ...]) -> Callable[[RawRow], R]:
        """Return a function that makes a `noun` from a row with the columns `names`."""
        made = self._makers.get((noun, names))
        if made is None:
            made = self._makers[noun, names] = row_maker(noun, names, (*self.key_names, *self.covered))
        return cast("Callable[[RawRow], R]", made)

    def added_by(self, number: int) -> dict[str, Before]:
        """Return the columns that a format adds to the previous one, with their earlier values. The first format adds
        none.
        """
        earlier = max((each for each in self._columns if each < number), default=number)
        return {name: self.before[name] for name in self._columns[number][len(self._columns[earlier]) :]}

    def split(self, values: RowValues, number: int) -> tuple[tuple[ColumnValue, ...], tuple[ColumnValue, ...]]:
        """Return the primary key and the columns of format `number`, from `values`. Raises `FormatNotOpen`."""
        names = self._columns[number]
        for name in self.covered[len(names) :]:
            if values.get(name, self.before[name]) != self.before[name]:
                raise FormatNotOpen(self.table.name, name, self._format_with(name))
        return tuple(values[name] for name in self.key_names), tuple(values[name] for name in names)

    def ordered(self, values: RowValues) -> tuple[ColumnValue, ...]:
        """Return `values` in the order that `RowSigner.check` needs."""
        return tuple(values[name] for name in self.order)

    def _format_with(self, name: str) -> int:
        return min(number for number, names in self._columns.items() if name in names)


def _stays_unknown(_table: str, _number: int) -> None:
    """The default: no release made such a format, so the row is a forgery."""
