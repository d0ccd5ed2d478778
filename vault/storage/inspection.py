"""Compares the live database with the tables of this release, and names what is missing or different.

It reads the database's own catalogue, in three statements. This finds a dropped index or a hand-edited schema before a
request needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import Connection, Table, UniqueConstraint
from sqlalchemy.schema import CreateIndex

from vault.storage.tables import metadata

_NOT_OURS = frozenset({"alembic_version"})

_SQLITE_COLUMNS = """
SELECT m.name, c.name, c.type, c."notnull" OR c.pk > 0, c.pk > 0
FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND substr(m.name, 1, 7) <> 'sqlite_'
"""
_SQLITE_INDEXES = """
SELECT m.name, i.name, i."unique", i.partial, group_concat(c.name, ',')
FROM sqlite_master m JOIN pragma_index_list(m.name) i JOIN pragma_index_info(i.name) c
WHERE m.type = 'table' AND i.origin <> 'pk' GROUP BY m.name, i.name
"""
_SQLITE_FOREIGN_KEYS = """
SELECT m.name, f."from", f."table", f.on_delete FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
WHERE m.type = 'table'
"""
_POSTGRESQL_COLUMNS = """
SELECT t.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary AND a.attnum = ANY (i.indkey))
FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid
WHERE t.relkind IN ('r', 'p') AND t.relnamespace = current_schema()::regnamespace AND a.attnum > 0
      AND NOT a.attisdropped
"""
_POSTGRESQL_INDEXES = """
SELECT t.relname, c.relname, i.indisunique, i.indpred IS NOT NULL,
       (SELECT string_agg(a.attname, ',' ORDER BY k.place) FROM unnest(i.indkey) WITH ORDINALITY k (number, place)
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
WHERE t.relnamespace = current_schema()::regnamespace AND NOT i.indisprimary AND i.indisvalid
"""
_POSTGRESQL_FOREIGN_KEYS = """
SELECT t.relname, a.attname, r.relname,
       CASE k.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END
FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid JOIN pg_class r ON r.oid = k.confrelid
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.conkey[1]
WHERE k.contype = 'f' AND t.relnamespace = current_schema()::regnamespace
"""

_KINDS = {
    "character varying": "text",
    "varchar": "text",
    "text": "text",
    "bigint": "integer",
    "integer": "integer",
    "boolean": "boolean",
    "bytea": "bytes",
    "blob": "bytes",
}
"""The declared types of both databases, by kind. Lengths are not compared: the code checks them."""


@dataclass(slots=True)
class Inspected:
    """What is wrong with the schema, as sentences, and which tables and columns this release does not have."""

    faults: list[str] = field(default_factory=list)
    extras: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Live:
    columns: dict[str, dict[str, tuple[str, bool, bool]]] = field(default_factory=dict)
    indexes: dict[str, set[tuple[tuple[str, ...], bool, bool]]] = field(default_factory=dict)
    foreign_keys: dict[str, set[tuple[str, str, str]]] = field(default_factory=dict)


def inspect_schema(connection: Connection) -> Inspected:
    """Compare the database with what this release needs. Additional tables, columns and indexes are no fault."""
    live = _read(connection)
    found = Inspected(extras=sorted(set(live.columns) - set(metadata.tables) - _NOT_OURS))
    for table in metadata.sorted_tables:
        if table.name in live.columns:
            indexes = _indexes(live, table, connection.dialect)
            found.faults += [*_columns(live, table), *indexes, *_foreign_keys(live, table)]
            found.extras += [f"{table.name}.{name}" for name in live.columns[table.name] if name not in table.columns]
        else:
            found.faults.append(f"The table {table.name} is missing.")
    return found


def _read(connection: Connection) -> _Live:
    if connection.dialect.name == "sqlite":
        statements = (_SQLITE_COLUMNS, _SQLITE_INDEXES, _SQLITE_FOREIGN_KEYS)
    else:
        statements = (_POSTGRESQL_COLUMNS, _POSTGRESQL_INDEXES, _POSTGRESQL_FOREIGN_KEYS)
    columns, indexes, foreign_keys = (connection.execute(sa.text(each)).all() for each in statements)
    live = _Live()
    for table, name, kind, is_required, is_key in columns:
        live.columns.setdefault(table, {})[name] = (_kind(kind), bool(is_required), bool(is_key))
    for table, _, is_unique, is_partial, names in indexes:
        live.indexes.setdefault(table, set()).add((tuple((names or "").split(",")), bool(is_unique), bool(is_partial)))
    for table, name, target, on_delete in foreign_keys:
        live.foreign_keys.setdefault(table, set()).add((name, target, on_delete))
    return live


def _columns(live: _Live, table: Table) -> Iterator[str]:
    for column in table.columns:
        stored = live.columns[table.name].get(column.name)
        if stored is None:
            yield f"The column {table.name}.{column.name} is missing."
            continue
        kind, is_required, is_key = stored
        wanted = _kind(column.type.compile())
        if kind != wanted:
            yield f"The column {table.name}.{column.name} has the type {kind} instead of {wanted}."
        if is_required == column.nullable:
            state = "NOT NULL, but should allow NULL" if is_required else "nullable, but should be NOT NULL"
            yield f"The column {table.name}.{column.name} is {state}."
        if is_key != column.primary_key:
            yield f"The primary key of {table.name} is wrong at the column {column.name}."


def _indexes(live: _Live, table: Table, dialect: sa.Dialect) -> Iterator[str]:
    stored = live.indexes.get(table.name, set())
    for index in table.indexes:
        names = tuple(column.name for column in index.columns)
        if (names, bool(index.unique), index.dialect_kwargs.get("sqlite_where") is not None) not in stored:
            statement = " ".join(str(CreateIndex(index).compile(dialect=dialect)).split())
            yield f"The index {index.name} of {table.name} is missing. Make it with `{statement}`."
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            names = tuple(column.name for column in constraint.columns)
            if (names, True, False) not in stored:
                yield f"The unique constraint {constraint.name} of {table.name} is missing."


def _foreign_keys(live: _Live, table: Table) -> Iterator[str]:
    stored = live.foreign_keys.get(table.name, set())
    for key in table.foreign_keys:
        target = key.column.table.name
        if (key.parent.name, target, key.ondelete or "NO ACTION") not in stored:
            yield f"The foreign key from {table.name}.{key.parent.name} to {target} is missing."


def _kind(declared: str) -> str:
    name = declared.partition("(")[0].strip().lower()
    return _KINDS.get(name, name)
