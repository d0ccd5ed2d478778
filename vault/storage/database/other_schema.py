"""Converts the rows of an archive from another release to this release's schema.

A migration that only expands needs no step here: the database fills in new columns by their defaults. Any other
migration has a step that changes rows as the migration changes tables. Rows of an older schema run through all later
steps. From a newer schema, only the tables and columns that this release knows are taken; other values are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

from vault.errors import StorageError
from vault.storage.database.past_schema import tables_at
from vault.storage.database.schema import SCHEMA, SCHEMA_NUMBER, is_older
from vault.storage.signing.authority import SIGNED_TABLES
from vault.storage.signing.signed import FIRST_FORMAT
from vault.storage.tables import metadata
from vault.storage.walks.snapshot import LEFT_OUT, ArchivedValue, kept_tables

T = TypeVar("T")


class Part(NamedTuple):
    """Rows of one table, and their columns, in the form of `Snapshot.rows`."""

    table: str
    columns: tuple[str, ...]
    rows: Iterable[Sequence[ArchivedValue]]


Step = Callable[[Part], Iterator[Part]]


def as_here(schema: str, part: Part) -> Iterator[Part]:
    """Yield the rows of `part`, from an archive with the schema `schema`, as rows of this schema.

    Raises `StorageError` for values that only a newer release knows.
    """
    number = int(schema) if schema == SCHEMA or is_older(schema) else SCHEMA_NUMBER + 1
    parts: Iterable[Part] = [part]
    for step in (step for before, step in sorted(_STEPS.items()) if before >= number):
        parts = chain.from_iterable(map(step, parts))
    for each in parts:
        yield from _known(each) if number > SCHEMA_NUMBER else [_completed(each)]


def left_out(schema: str, columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the tables and columns of `schema` that an archive with these columns lacks.

    A release older than its database makes such an archive. An archive with a newer schema must have everything that
    this release knows.
    """
    tables = tables_at(schema).tables if is_older(schema) else metadata.tables
    kept = [table for name, table in sorted(tables.items()) if name not in LEFT_OUT]
    missing = [table.name for table in kept if table.name not in columns]
    for table in kept:
        known = columns.get(table.name)
        missing += [str(column) for column in table.columns if known is not None and column.name not in known]
    return missing


def _split_lock_flag(part: Part) -> Iterator[Part]:
    """0001 to 0002: `vault_state.locked` moves to its own table."""
    if part.table != "vault_state" or "locked" not in part.columns:
        yield part
        return
    place = part.columns.index("locked")
    rows = list(part.rows)
    yield Part(part.table, _without(part.columns, place), [_without(row, place) for row in rows])
    yield Part("lock_flag", ("id", "locked", "changed_us"), [(1, row[place], 0) for row in rows])


_STEPS: dict[int, Step] = {1: _split_lock_flag}
"""The steps by the schema number that they convert from."""


def _completed(part: Part) -> Part:
    """Add later columns of signed tables, because MACs are checked before the database fills in defaults."""
    signed = SIGNED_TABLES.get(part.table)
    if signed is None:
        return part
    later = {"row_format": FIRST_FORMAT, **signed.before}
    added = {name: value for name, value in later.items() if name not in part.columns}
    return Part(part.table, (*part.columns, *added), ((*row, *added.values()) for row in part.rows))


def _known(part: Part) -> Iterator[Part]:
    """Drop a newer release's tables and columns if they are empty. Raises `StorageError` otherwise."""
    table = next((table for table in kept_tables() if table.name == part.table), None)
    if table is None:
        for _ in part.rows:
            raise StorageError(f"The archive has rows of a table that this release does not know: {part.table}.")
        return
    unknown = [place for place, name in enumerate(part.columns) if name not in table.columns]
    known = [place for place, name in enumerate(part.columns) if name in table.columns]
    names = ", ".join(f"{part.table}.{part.columns[place]}" for place in unknown)

    def rows() -> Iterator[Sequence[ArchivedValue]]:
        for row in part.rows:
            if any(row[place] is not None for place in unknown):
                raise StorageError(f"The archive has values in columns that this release does not know: {names}.")
            yield [row[place] for place in known]

    yield Part(part.table, tuple(part.columns[place] for place in known), rows())


def _without(values: Sequence[T], place: int) -> tuple[T, ...]:
    return (*values[:place], *values[place + 1 :])
