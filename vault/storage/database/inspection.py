"""Compares the live database with the tables that it should have, and names each difference that matters.

| difference                                                             | answer                                   |
|------------------------------------------------------------------------|------------------------------------------|
| a table, column, index, constraint or default of ours is missing       | a fault                                  |
| a trigger, rule, CHECK, foreign key or unique index on a table of ours | a fault: it can refuse or change a write |
| a column of theirs that is NOT NULL without a default                  | a fault: no row can be added             |
| other tables, other columns of theirs, plain indexes                   | no fault                                 |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Connection, Index, MetaData, Table, UniqueConstraint
from sqlalchemy.schema import CreateIndex

from vault.storage.database.live_schema import (
    CHECK,
    UNREADABLE,
    IndexShape,
    LiveColumn,
    LiveSchema,
    kind_of,
    read_schema,
)
from vault.storage.tables import metadata

_NOT_OURS = frozenset({"alembic_version"})
_DROP_IT = "It does not belong to Strongroom, and can refuse or change what is written. Drop it."


@dataclass(slots=True)
class Inspected:
    """What is wrong with the schema, as sentences, and which harmless tables and columns do not belong to it."""

    faults: list[str] = field(default_factory=list)
    extras: list[str] = field(default_factory=list)


def inspect_schema(connection: Connection, expected: MetaData = metadata) -> Inspected:
    """Compare the database with the tables that it should have, those of this release by default.

    It takes four statements and locks no table, so it may run while the vault serves.
    """
    live = read_schema(connection)
    found = Inspected(extras=sorted(set(live.columns) - set(expected.tables) - _NOT_OURS))
    for table in expected.sorted_tables:
        if table.name in live.columns:
            indexes = _indexes(live, table, connection.dialect)
            rules = [*_foreign_keys(live, table), *_rules(live, table)]
            found.faults += [*_columns(live, table, connection.dialect), *indexes, *rules]
            strange = _strange_columns(live, table)
            found.faults += [fault for name, column in strange.items() for fault in _blocking(table, name, column)]
            found.extras += [f"{table.name}.{name}" for name, column in strange.items() if not _blocks(column)]
        else:
            found.faults.append(
                f"The table {table.name} is missing, and all its rows are lost. Restore a backup into an empty "
                "database. Do not create the table by hand, because an empty one hides the loss."
            )
    return found


def _columns(live: LiveSchema, table: Table, dialect: sa.Dialect) -> Iterator[str]:
    for column in table.columns:
        stored = live.columns[table.name].get(column.name)
        if stored is None:
            yield f"The column {table.name}.{column.name} is missing."
            continue
        wanted = kind_of(column.type.compile(dialect))
        if stored.kind != wanted:
            yield f"The column {table.name}.{column.name} has the type {stored.kind} instead of {wanted}."
        if stored.is_required == column.nullable:
            state = "NOT NULL, but should allow NULL" if stored.is_required else "nullable, but should be NOT NULL"
            yield f"The column {table.name}.{column.name} is {state}."
        if stored.is_key != column.primary_key:
            yield f"The primary key of {table.name} is wrong at the column {column.name}."
        if column.server_default is not None and not stored.has_default:
            yield f"The column {table.name}.{column.name} has lost its default."


def _strange_columns(live: LiveSchema, table: Table) -> dict[str, LiveColumn]:
    """The columns of the database that are not in `table`."""
    return {name: column for name, column in live.columns[table.name].items() if name not in table.columns}


def _blocks(column: LiveColumn) -> bool:
    return column.is_required and not column.has_default


def _blocking(table: Table, name: str, column: LiveColumn) -> Iterator[str]:
    if _blocks(column):
        yield (
            f"The column {table.name}.{name} does not belong to Strongroom, and is NOT NULL without a default, so no "
            "row can be added. Drop it, or give it a default."
        )


def _indexes(live: LiveSchema, table: Table, dialect: sa.Dialect) -> Iterator[str]:
    stored = live.indexes.get(table.name, [])
    shapes = {shape for _, shape in stored}
    constraints = [each for each in table.constraints if isinstance(each, UniqueConstraint)]
    for index in table.indexes:
        if _shape(index) not in shapes:
            statement = " ".join(str(CreateIndex(index).compile(dialect=dialect)).split())
            yield f"The index {index.name} of {table.name} is missing. Make it with `{statement}`."
    for constraint in constraints:
        if _shape(constraint) not in shapes:
            yield f"The unique constraint {constraint.name} of {table.name} is missing."
    ours = {*map(_shape, table.indexes), *map(_shape, constraints)}
    names = {index.name for index in table.indexes}
    for name, shape in stored:
        # Conditions of partial indexes are not compared, so there the name tells whether it is ours.
        if shape.is_unique and (shape not in ours or (shape.is_partial and name not in names)):
            columns = ", ".join(shape.columns)
            yield f"There is a unique index or constraint {name} on {table.name} ({columns}). {_DROP_IT}"


def _shape(index: Index | UniqueConstraint) -> IndexShape:
    names = tuple(column.name for column in index.columns)
    if isinstance(index, UniqueConstraint):
        return IndexShape(names, is_unique=True, is_partial=False)
    return IndexShape(names, bool(index.unique), index.dialect_options["sqlite"]["where"] is not None)


def _foreign_keys(live: LiveSchema, table: Table) -> Iterator[str]:
    stored = live.foreign_keys.get(table.name, set())
    ours = {(key.parent.name, key.column.table.name, key.ondelete or "NO ACTION") for key in table.foreign_keys}
    for column, target, _ in sorted(ours - stored):
        yield f"The foreign key from {table.name}.{column} to {target} is missing."
    for column, target, _ in sorted(stored - ours):
        # A newer release may have added a column with a foreign key.
        if column in table.columns:
            yield f"There is a foreign key from {table.name}.{column} to {target}. {_DROP_IT}"


def _rules(live: LiveSchema, table: Table) -> Iterator[str]:
    stored = live.rules.get(table.name, set())
    checks = [each.name for each in table.constraints if isinstance(each, CheckConstraint)]
    ours = {(CHECK, str(name)) for name in checks if name is not None}
    for kind, name in sorted(ours - stored):
        yield f"The {kind} {name} of {table.name} is missing."
    for kind, name in sorted(stored - ours):
        if kind == UNREADABLE:
            yield f"The database user may not read the table {table.name}. Grant it all rights on the table."
        else:
            yield f"There is a {kind} {name} on {table.name}. {_DROP_IT}"
