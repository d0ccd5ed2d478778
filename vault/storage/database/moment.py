"""One moment of the database: all statements of a view see the same state, and block no writers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection


@contextmanager
def one_moment(connection: Connection) -> Iterator[None]:
    """Let a reading connection see one state until the block ends: that of its first read."""
    is_sqlite = connection.dialect.name == "sqlite"
    connection.exec_driver_sql("BEGIN" if is_sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield
    finally:
        # A connection that died has no transaction any more. Its own error says that the database is away.
        if not connection.invalidated:
            connection.exec_driver_sql("ROLLBACK")
