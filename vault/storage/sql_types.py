"""The types of columns, statements and rows.

SQLAlchemy gives each column and statement a type parameter. A function that works on every table cannot name it, so it
uses the aliases below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Column, ColumnElement, CompoundSelect, FromClause, Row, Select, Table
from sqlalchemy.sql.base import ReadOnlyColumnCollection

ColumnValue: TypeAlias = str | int | bytes | None
"""A value of a column. A boolean is an `int` too."""

ColumnValues: TypeAlias = Mapping[str, ColumnValue]
"""Values by the names of their columns."""

RowValues: TypeAlias = dict[str, Any]  # type: ignore[explicit-any]  # Each column of a row has a type of its own.
"""A whole row of any table: its values by the names of their columns."""

RawRow: TypeAlias = Sequence[Any]  # type: ignore[explicit-any]  # Only the statement tells the type of each value.
"""The values of a row as a driver returns them."""

DriverConnection: TypeAlias = Any  # type: ignore[explicit-any]  # sqlite3's or psycopg's, which share no type.

AnyTable: TypeAlias = "Table[ReadOnlyColumnCollection[str, Column[Any]]]"  # type: ignore[explicit-any]  # Its default.
AnyFrom: TypeAlias = "FromClause[Any]"  # type: ignore[explicit-any]  # SQLAlchemy's parameter, invariant.
AnyColumn: TypeAlias = Column[Any]  # type: ignore[explicit-any]  # SQLAlchemy's parameter, invariant.
AnySelect: TypeAlias = Select[Any]  # type: ignore[explicit-any]  # SQLAlchemy's parameter, invariant.
AnyElement: TypeAlias = ColumnElement[Any]  # type: ignore[explicit-any]  # SQLAlchemy's parameter, invariant.
AnyCompound: TypeAlias = CompoundSelect[Any]  # type: ignore[explicit-any]  # SQLAlchemy's parameter, invariant.
AnyRow: TypeAlias = Row[*tuple[Any, ...]]  # type: ignore[explicit-any]  # SQLAlchemy's parameter, invariant.
