"""Reads the schema that a database has: four statements, each over the database's own catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

_SQLITE_COLUMNS = """
SELECT m.name, c.name, c.type, c."notnull" OR c.pk > 0, c.pk > 0, c.dflt_value IS NOT NULL
FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND substr(m.name, 1, 7) <> 'sqlite_'
"""
_SQLITE_INDEXES = """
SELECT m.name, i.name, i."unique", i.partial, group_concat(coalesce(c.name, '()'), ',')
FROM sqlite_master m JOIN pragma_index_list(m.name) i JOIN pragma_index_info(i.name) c
WHERE m.type = 'table' AND i.origin <> 'pk' GROUP BY m.name, i.name
"""
_SQLITE_FOREIGN_KEYS = """
SELECT m.name, f."from", f."table", f.on_delete FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
WHERE m.type = 'table'
"""
_SQLITE_RULES = "SELECT tbl_name, type, name, sql FROM sqlite_master WHERE type IN ('table', 'trigger')"
_SQLITE_CHECK = re.compile(r'(?:CONSTRAINT\s+"?(\w+)"?\s+)?CHECK\s*\(', re.IGNORECASE)

_POSTGRESQL_COLUMNS = """
SELECT t.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary AND a.attnum = ANY (i.indkey)),
       a.atthasdef OR a.attidentity <> ''
FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid
WHERE t.relkind IN ('r', 'p') AND t.relnamespace = current_schema()::regnamespace AND a.attnum > 0
      AND NOT a.attisdropped
"""
_POSTGRESQL_INDEXES = """
SELECT t.relname, c.relname, i.indisunique, i.indpred IS NOT NULL,
       (SELECT string_agg(coalesce(a.attname, '()'), ',' ORDER BY k.place)
        FROM unnest(i.indkey) WITH ORDINALITY k (number, place)
        LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number WHERE k.place <= i.indnkeyatts)
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
_POSTGRESQL_RULES = """
SELECT t.relname, o.kind, o.name, NULL
FROM pg_class t JOIN (
    SELECT tgrelid AS id, 'trigger' AS kind, tgname::text AS name FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT ev_class, 'rule', rulename FROM pg_rewrite
    UNION ALL SELECT conrelid, 'check', conname FROM pg_constraint WHERE contype = 'c'
    UNION ALL SELECT oid, 'row security', relname FROM pg_class WHERE relrowsecurity
    UNION ALL SELECT oid, 'unreadable', relname FROM pg_class WHERE NOT has_table_privilege(oid, 'SELECT')
) o ON o.id = t.oid
WHERE t.relkind IN ('r', 'p') AND t.relnamespace = current_schema()::regnamespace
"""

CHECK, UNREADABLE = "check", "unreadable"
"""Two kinds in `LiveSchema.rules`: a CHECK, and that the database user may not read the table."""

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


class LiveColumn(NamedTuple):
    """A column: the kind of its type, and its properties."""

    kind: str
    is_required: bool
    is_key: bool
    has_default: bool


class IndexShape(NamedTuple):
    """What an index does. An expression in it counts as a column with the name `()`."""

    columns: tuple[str, ...]
    is_unique: bool
    is_partial: bool


@dataclass(slots=True)
class LiveSchema:
    """All that a database has, by table. A unique constraint is an index here."""

    columns: dict[str, dict[str, LiveColumn]] = field(default_factory=dict)
    indexes: dict[str, list[tuple[str, IndexShape]]] = field(default_factory=dict)
    foreign_keys: dict[str, set[tuple[str, str, str]]] = field(default_factory=dict)
    rules: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    """Kind and name of each CHECK, trigger, rewrite rule and the like."""


def read_schema(connection: Connection) -> LiveSchema:
    """The schema of the database."""
    if connection.dialect.name == "sqlite":
        statements = (_SQLITE_COLUMNS, _SQLITE_INDEXES, _SQLITE_FOREIGN_KEYS, _SQLITE_RULES)
    else:
        statements = (_POSTGRESQL_COLUMNS, _POSTGRESQL_INDEXES, _POSTGRESQL_FOREIGN_KEYS, _POSTGRESQL_RULES)
    columns, indexes, foreign_keys, rules = (connection.execute(sa.text(each)).all() for each in statements)
    live = LiveSchema()
    for table, name, declared, *properties in columns:
        live.columns.setdefault(table, {})[name] = LiveColumn(kind_of(declared), *map(bool, properties))
    for table, name, is_unique, is_partial, names in indexes:
        shape = IndexShape(tuple(names.split(",")), bool(is_unique), bool(is_partial))
        live.indexes.setdefault(table, []).append((name, shape))
    for table, name, target, on_delete in foreign_keys:
        live.foreign_keys.setdefault(table, set()).add((name, target, on_delete))
    for table, kind, name, sql in rules:
        found = _checks(sql) if kind == "table" else [(kind, name)]
        live.rules.setdefault(table, set()).update(found)
    return live


def kind_of(declared: str) -> str:
    """The kind of a declared type."""
    name = declared.partition("(")[0].strip().lower()
    return _KINDS.get(name, name)


def _checks(sql: str) -> Iterator[tuple[str, str]]:
    """The CHECKs in SQLite's text of a table."""
    for match in _SQLITE_CHECK.finditer(sql):
        yield CHECK, match[1] or "without a name"
