"""Reads the schema of a database with four statements over the database's own catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

# SQLite compares names without regard to case, and keeps them as they were written. The statements fold them. A virtual
# table has no root page. Asking for its columns fails if this process lacks its module.
_SQLITE_COLUMNS = """
SELECT lower(m.name), lower(c.name), c.type, c."notnull" OR c.pk > 0, c.pk > 0, c.dflt_value, c.hidden > 0
FROM sqlite_master m JOIN pragma_table_xinfo(m.name) c
WHERE m.type = 'table' AND m.rootpage > 0 AND substr(m.name, 1, 7) <> 'sqlite_'
"""
_SQLITE_INDEXES = """
SELECT lower(m.name), lower(i.name), i."unique", i.partial, group_concat(coalesce(lower(c.name), '()'), ',')
FROM sqlite_master m JOIN pragma_index_list(m.name) i JOIN pragma_index_info(i.name) c
WHERE m.type = 'table' AND m.rootpage > 0 AND i.origin <> 'pk' GROUP BY m.name, i.name
"""
_SQLITE_FOREIGN_KEYS = """
SELECT lower(m.name), lower(f."from"), lower(f."table"), f.on_delete
FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table' AND m.rootpage > 0
"""
_SQLITE_RULES = "SELECT lower(tbl_name), type, name, sql FROM sqlite_master WHERE type IN ('table', 'trigger')"
_SQLITE_TOKEN = re.compile(
    r"""--[^\n]* | /\*.*?(?:\*/|\Z) | '(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^]]*] | \w+ | \S""",
    re.VERBOSE | re.DOTALL,
)
_SQLITE_CONSTANT = re.compile(
    r"""[+-]?[\w.]+ | [+-]?\d[\d.]*e[+-]?\d+ | x?'(?:[^']|'')*' | "(?:[^"]|"")*" """, re.I | re.X
)

_POSTGRESQL_COLUMNS = """
SELECT t.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary AND a.attnum = ANY (i.indkey)),
       a.atthasdef OR a.attidentity <> '', a.attgenerated <> '' OR a.attidentity = 'a'
FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid
WHERE t.relkind IN ('r', 'p') AND t.relnamespace = quote_ident(current_schema())::regnamespace AND a.attnum > 0
      AND NOT a.attisdropped
"""
_POSTGRESQL_INDEXES = """
SELECT t.relname, c.relname, i.indisunique, i.indpred IS NOT NULL,
       (SELECT string_agg(coalesce(a.attname, '()'), ',' ORDER BY k.place)
        FROM unnest(i.indkey) WITH ORDINALITY k (number, place)
        LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number WHERE k.place <= i.indnkeyatts)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
WHERE t.relnamespace = quote_ident(current_schema())::regnamespace AND NOT i.indisprimary AND NOT i.indisexclusion
      AND i.indisvalid
"""
_POSTGRESQL_FOREIGN_KEYS = """
SELECT CASE WHEN t.relnamespace = r.relnamespace THEN '' ELSE t.relnamespace::regnamespace || '.' END || t.relname,
       a.attname, r.relname,
       CASE k.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END
FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid JOIN pg_class r ON r.oid = k.confrelid
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.conkey[1]
WHERE k.contype = 'f' AND quote_ident(current_schema())::regnamespace IN (t.relnamespace, r.relnamespace)
"""
_POSTGRESQL_RULES = """
SELECT t.relname, o.kind, o.name, NULL
FROM pg_class t JOIN (
    SELECT tgrelid AS id, 'trigger' AS kind, tgname::text AS name FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT ev_class, 'rule', rulename FROM pg_rewrite
    UNION ALL SELECT conrelid, 'check', conname FROM pg_constraint WHERE contype = 'c'
    UNION ALL SELECT conrelid, 'constraint', conname FROM pg_constraint WHERE contype = 'x'
    UNION ALL SELECT attrelid, 'column of a domain', attname
              FROM pg_attribute JOIN pg_type y ON y.oid = atttypid AND y.typtype = 'd' WHERE attnum > 0
    UNION ALL SELECT adrelid, 'default that calls the function', refobjid::regproc::text
              FROM pg_attrdef f JOIN pg_depend ON classid = 'pg_attrdef'::regclass AND objid = f.oid
              WHERE refclassid = 'pg_proc'::regclass
    UNION ALL SELECT oid, 'row security', relname FROM pg_class WHERE relrowsecurity
    UNION ALL SELECT oid, 'unreadable', relname FROM pg_class WHERE NOT has_table_privilege(oid, 'SELECT')
) o ON o.id = t.oid
WHERE t.relkind IN ('r', 'p') AND t.relnamespace = quote_ident(current_schema())::regnamespace
"""

CHECK, UNREADABLE = "check", "unreadable"
"""Two kinds in `LiveSchema.rules`: a CHECK, and that the database user may not read the table."""

_TYPE = re.compile(r"([a-z ]+?) ?(?:\( ?(\d+) ?\))?")
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
_BYTES = {"integer": 4, "bigint": 8}


class ColumnType(NamedTuple):
    """A declared type of either database. A text or bytes column without a length has the size None."""

    kind: str
    size: int | None
    """The most characters of a text, or the bytes of an integer. None also on SQLite, which enforces neither."""

    @classmethod
    def of(cls, declared: str, dialect: sa.Dialect) -> ColumnType:
        """Return the type with the declaration `declared`."""
        found = _TYPE.fullmatch(declared.strip().lower())
        if found is None:
            return cls(declared, None)
        name, length = found.groups()
        size = int(length) if length else _BYTES.get(name)
        return cls(_KINDS.get(name, name), None if dialect.name == "sqlite" else size)

    def holds(self, wanted: ColumnType) -> bool:
        """Report whether every value of the type `wanted` fits."""
        fits = self.size is None or (wanted.size is not None and wanted.size <= self.size)
        return self.kind == wanted.kind and fits

    def __str__(self) -> str:
        return self.kind if self.size is None else f"{self.kind}({self.size})"


class LiveColumn(NamedTuple):
    """A column: its type and its properties."""

    type: ColumnType
    is_required: bool
    is_key: bool
    has_default: bool
    is_generated: bool
    """Whether the database computes the value and refuses one that is given."""


class IndexShape(NamedTuple):
    """What an index does. An expression in it counts as a column with the name `()`."""

    columns: tuple[str, ...]
    is_unique: bool
    is_partial: bool

    @property
    def has_expression(self) -> bool:
        """Whether the database computes an expression for each row that is written."""
        return self.is_partial or "()" in self.columns


@dataclass(slots=True)
class LiveSchema:
    """All that a database has, by table. A unique constraint is an index here. Names of SQLite are in lower case."""

    tables: set[str] = field(default_factory=set)
    """All tables, also those whose columns cannot be read."""
    columns: dict[str, dict[str, LiveColumn]] = field(default_factory=dict)
    indexes: dict[str, list[tuple[str, IndexShape]]] = field(default_factory=dict)
    foreign_keys: dict[str, set[tuple[str, str, str]]] = field(default_factory=dict)
    rules: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    """Kind and name of each CHECK, trigger, rewrite rule and the like."""


def read_schema(connection: Connection) -> LiveSchema:
    """Return the schema of the database."""
    if connection.dialect.name == "sqlite":
        statements = (_SQLITE_COLUMNS, _SQLITE_INDEXES, _SQLITE_FOREIGN_KEYS, _SQLITE_RULES)
    else:
        statements = (_POSTGRESQL_COLUMNS, _POSTGRESQL_INDEXES, _POSTGRESQL_FOREIGN_KEYS, _POSTGRESQL_RULES)
    columns, indexes, foreign_keys, rules = (connection.execute(sa.text(each)).all() for each in statements)
    live = LiveSchema()
    for table, name, declared, is_required, is_key, default, is_generated in columns:
        has_default = _is_a_value(default) if isinstance(default, str) else bool(default)
        properties = (bool(is_required), bool(is_key), has_default, bool(is_generated))
        column = LiveColumn(ColumnType.of(declared, connection.dialect), *properties)
        live.columns.setdefault(table, {})[name] = column
    for table, name, is_unique, is_partial, names in indexes:
        shape = IndexShape(tuple(names.split(",")), bool(is_unique), bool(is_partial))
        live.indexes.setdefault(table, []).append((name, shape))
    for table, name, target, on_delete in foreign_keys:
        live.foreign_keys.setdefault(table, set()).add((name, target, on_delete))
    for table, kind, name, sql in rules:
        found = _checks(sql) if kind == "table" else [(kind, name)]
        live.rules.setdefault(table, set()).update(found)
    virtual = {table for table, kind, *_ in rules if kind == "table" and not table.startswith("sqlite_")}
    live.tables = virtual | live.columns.keys()
    return live


def _is_a_value(default: str) -> bool:
    """Report whether a default of SQLite is certainly not NULL. An expression may be NULL, or fail."""
    return default.upper() != "NULL" and _SQLITE_CONSTANT.fullmatch(default) is not None


def _checks(sql: str) -> Iterator[tuple[str, str]]:
    """Yield kind and name of each CHECK in SQLite's text of a table. Skip quoted text and comments."""
    tokens = [token for token in _SQLITE_TOKEN.findall(sql) if not token.startswith(("--", "/*"))]
    for place, token in enumerate(tokens):
        if token.upper() == "CHECK" and tokens[place + 1 : place + 2] == ["("]:
            is_named = place > 1 and tokens[place - 2].upper() == "CONSTRAINT"
            yield CHECK, tokens[place - 1].strip("\"'`[]") if is_named else "without a name"
