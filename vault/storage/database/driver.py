"""Connections of the driver itself, for the few reads that are asked thousands of times a second.

They stay open between reads, as many as threads read at once. SQLAlchemy still opens them, so they are set up like
all others; what is saved is the book-keeping around each statement, and on PostgreSQL its planning: 1 ms a read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Engine

from vault.errors import DatabaseUnavailable
from vault.storage.database.engine import ends_connections, is_unavailable, unavailable
from vault.storage.database.renewal import Renewal

_PLAN_IS_GONE = frozenset({"0A000", "26000"})
"""SQLSTATEs of a prepared statement whose table has changed, or that somebody has deallocated."""


class DriverConnections:
    """Runs statements on open connections; thread-safe. Make the first call after the fork."""

    def __init__(self, engine: Engine, renewal: Renewal) -> None:
        self._engine = engine
        self._renewal = renewal
        self._is_postgresql = engine.dialect.name == "postgresql"
        # Each with its generation, the most recently used last. Appending to a list and popping its end are atomic.
        self._idle: list[tuple[int, Any]] = []

    def fetch(self, sql: str, parameters: Any) -> list[Sequence[Any]]:
        """All rows of a read. Raises `DatabaseUnavailable`."""
        idle = self._taken()
        if idle is None:
            return self._fetch(self._open(), sql, parameters)
        try:
            return self._fetch(idle, sql, parameters)
        except Exception as error:
            if not isinstance(error, DatabaseUnavailable) and getattr(error, "sqlstate", None) not in _PLAN_IS_GONE:
                raise
            # A connection that died since its last use fails at once, and all others of its age with it. The
            # database may be back already, and asking a second time changes nothing that is stored.
            self.close()
            return self._fetch(self._open(), sql, parameters)

    def close(self) -> None:
        """Close all that are idle."""
        while True:
            try:
                _, connection = self._idle.pop()
            except IndexError:
                return
            connection.close()

    def _taken(self) -> tuple[int, Any] | None:
        """An idle connection of the current generation, if there is one."""
        while True:
            try:
                generation, connection = self._idle.pop()
            except IndexError:
                return None
            if generation == self._renewal.generation:
                return generation, connection
            connection.close()

    def _fetch(self, taken: tuple[int, Any], sql: str, parameters: Any) -> list[Sequence[Any]]:
        connection = taken[1]
        try:
            # In PostgreSQL's binary format a blob of 3 KB comes as it is, and not as 6 KB of hexadecimal digits.
            cursor = connection.cursor(binary=True) if self._is_postgresql else connection.cursor()
            cursor.execute(sql, parameters)
            rows: list[Sequence[Any]] = cursor.fetchall()
        except BaseException as error:
            connection.close()
            if ends_connections(error):
                self._renewal.renew()
            if isinstance(error, Exception) and is_unavailable(error):
                raise unavailable(error) from error
            raise
        self._idle.append(taken)
        return rows

    def _open(self) -> tuple[int, Any]:
        generation = self._renewal.generation
        try:
            pooled = self._engine.raw_connection()
            connection: Any = pooled.dbapi_connection
            pooled.detach()
            if self._is_postgresql and _is_direct(connection):
                connection.prepare_threshold = 0
        except Exception as error:
            if is_unavailable(error):
                raise unavailable(error) from error
            raise
        return generation, connection


def _is_direct(connection: Any) -> bool:
    """Whether no pooler stands between: PgBouncer in transaction mode changes the server's process under a
    connection, which may know another statement by the same name. The number that it gives out is none of theirs."""
    process: int = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
    return bool(process == connection.info.backend_pid)
