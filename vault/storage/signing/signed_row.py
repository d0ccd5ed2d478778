"""The base class of signed rows.

A class is named like its row: `User`, `Session`. Its name ends in `Row` if the model already has a class with the plain
name. If some reads leave a column out, the class does not have it, and another one (such as `StoredToken`) has all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter, itemgetter
from typing import TypeVar

from vault.storage.sql_types import ColumnValue, RawRow, RowValues

R = TypeVar("R", bound="SignedRow")


@dataclass(frozen=True, slots=True)
class SignedRow:
    """A row whose MAC has been checked. Its columns are attributes. Many requests may share one object."""

    row_version: int
    row_format: int
    mac_key_id: str
    mac: bytes
    others: tuple[tuple[str, ColumnValue], ...] = field(default=(), kw_only=True)
    """The covered columns that the class lacks, with their values: those that a newer release added. A plain
    `SignedRow`, which can be a row of any table, has all columns here.
    """

    def values(self) -> RowValues:
        """Return the value of each column that was read."""
        names, read = _columns_of(type(self))
        return {**dict(zip(names, read(self), strict=True)), **dict(self.others)}


def row_maker(kind: type[R], names: Sequence[str], covered: Sequence[str]) -> Callable[[RawRow], R]:
    """Return a function that makes a `kind` from a row with the columns `names`. `covered` are those under the MAC."""
    wanted, _ = _columns_of(kind)
    places = {name: place for place, name in enumerate(names)}
    pick = itemgetter(*(places[name] for name in wanted))
    others = [(name, places[name]) for name in covered if name not in wanted]
    if not others:
        return lambda row: kind(*pick(row))
    return lambda row: kind(*pick(row), others=tuple((name, row[place]) for name, place in others))


_Columns = tuple[tuple[str, ...], Callable[[SignedRow], RawRow]]
_COLUMNS: dict[type[SignedRow], _Columns] = {}


def _columns_of(kind: type[SignedRow]) -> _Columns:
    """Return the names of the columns of a row class, and a function that reads them all."""
    found = _COLUMNS.get(kind)
    if found is None:
        names = tuple(each.name for each in fields(kind) if each.name != "others")
        found = _COLUMNS[kind] = names, attrgetter(*names)
    return found
