"""INSERT … ON CONFLICT, which SQLite and PostgreSQL support and SQLAlchemy has only in their dialects."""

from __future__ import annotations

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from vault.storage.sql_types import AnyTable


def upsert(connection: Connection, table: AnyTable) -> sqlite.Insert | postgresql.Insert:
    """Return the dialect's INSERT for `table`, with `on_conflict_do_update` and `on_conflict_do_nothing`."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
