"""What a unit of work has written: the signed rows, for its audit event, and whose they are, for their read marks.

A row belongs to a person by its `user_id` or `owner_id`, or through the row that it refers to: a grant through its
token, a revision through its environment. Repositories note every row here, so no verb can forget it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from vault.storage.sql_types import AnyColumn, AnyTable, RowValues
from vault.storage.table_facts import TABLE_FACTS
from vault.storage.tables import users

_OWNERS = ("user_id", "owner_id")


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """What the audit stores of a written row. This shows later if an older state was put back.

    A deleted row has the version that would have come next, and no MAC. Parts of a key are joined by "/".
    """

    table: str
    id: str
    row_version: int
    mac: bytes


class Journal:
    """The signed rows that one transaction has written, and the people whose rows they are."""

    def __init__(self) -> None:
        self.rows: list[WrittenRow] = []
        """Those that no audit event has yet."""
        self._parents: dict[AnyTable, set[str]] = {}
        self._known: set[tuple[AnyTable, str]] = set()
        self._owners: set[str] = set()
        self._counted: set[str] = set()

    def note(self, table: AnyTable, row: WrittenRow, values: RowValues) -> None:
        """Note a written row. `values` has at least the column that says whose it is."""
        self.rows.append(row)
        place = owner_of(table)
        if place is None:
            return
        owner = values[place.column.name]
        if place.parent is not None:
            self._parents.setdefault(place.parent, set()).add(owner)
        elif owner is not None:
            self._owners.add(owner)
            self._known.add((table, row.id))

    def count(self, user_id: str) -> None:
        """Note that the person's change number has risen in this transaction."""
        self._counted.add(user_id)

    def own(self, user_id: str) -> None:
        """Note a person of whom a row was written."""
        self._owners.add(user_id)

    def parents(self) -> Iterator[tuple[AnyTable, list[str]]]:
        """Yield tables, and ids of rows there that say whose the written rows are, unless they were written too."""
        for table, ids in self._parents.items():
            if unknown := sorted(id for id in ids if (table, id) not in self._known):
                yield table, unknown

    @property
    def unmarked(self) -> list[str]:
        """The people whose rows were written while their change number stayed, in order."""
        return sorted(self._owners - self._counted)


@dataclass(frozen=True, slots=True)
class OwnerPlace:
    """The column that says whose a row is: the person's id, or the id of a row of `parent`, which says it."""

    column: AnyColumn
    parent: AnyTable | None


@cache
def owner_of(table: AnyTable) -> OwnerPlace | None:
    """Return where a row of `table` says whose it is, or None if the table is the vault's."""
    if not TABLE_FACTS[table.name].goes_with_person:
        return None
    if table is users:
        return OwnerPlace(table.c.id, None)
    for name in _OWNERS:
        if name in table.columns:
            return OwnerPlace(table.c[name], None)
    key = next(key for column in table.columns for key in column.foreign_keys if owner_of(key.column.table))
    return OwnerPlace(key.parent, key.column.table)
