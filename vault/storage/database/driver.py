"""Connections of the database driver, for the few reads that run thousands of times a second.

They stay open between reads, one for each thread that reads at the same time. SQLAlchemy opens them, so they are set
up like all others. They skip SQLAlchemy's work for each statement, and on PostgreSQL the planning: 1 ms a read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from sqlalchemy.engine import Engine

from vault.errors import DatabaseUnavailable
from vault.storage.database.engine import ends_connections, is_unavailable, unavailable
from vault.storage.database.renewal import Renewal
from vault.storage.sql_types import DriverConnection, RawRow

Parameters: TypeAlias = Mapping[str, object] | Sequence[object]
"""The parameters of a statement, by name on PostgreSQL and by position on SQLite."""

_Idle: TypeAlias = tuple[int, DriverConnection]
"""A connection with its generation."""

_PLAN_IS_GONE = frozenset({"0A000", "26000"})
"""SQLSTATEs of a prepared statement whose table has changed, or that was deallocated."""


class DriverConnections:
    """Runs statements on open connections. Thread-safe. Make the first call after the fork."""

    def __init__(self, engine: Engine, renewal: Renewal) -> None:
        self._engine = engine
        self._renewal = renewal
        self._is_postgresql = engine.dialect.name == "postgresql"
        # The most recently used connection is the last. Appending to a list and popping its end are atomic.
        self._idle: list[_Idle] = []

    def fetch(self, sql: str, parameters: Parameters) -> list[RawRow]:
        """Return all rows of a read. Raises `DatabaseUnavailable`."""
        idle = self._taken()
        if idle is None:
            return self._fetch(self._open(), sql, parameters)
        try:
            return self._fetch(idle, sql, parameters)
        except Exception as error:
            if not isinstance(error, DatabaseUnavailable) and getattr(error, "sqlstate", None) not in _PLAN_IS_GONE:
                raise
            # A connection that died since its last use fails at once, and so do others of its age. The database may be
            # back already, and repeating a read changes nothing.
            self.close()
            return self._fetch(self._open(), sql, parameters)

    def close(self) -> None:
        """Close all idle connections."""
        while True:
            try:
                _, connection = self._idle.pop()
            except IndexError:
                return
            connection.close()

    def _taken(self) -> _Idle | None:
        """Return an idle connection of the current generation, if there is one."""
        while True:
            try:
                generation, connection = self._idle.pop()
            except IndexError:
                return None
            if generation == self._renewal.generation:
                return generation, connection
            connection.close()

    def _fetch(self, taken: _Idle, sql: str, parameters: Parameters) -> list[RawRow]:
        connection = taken[1]
        try:
            # In PostgreSQL's binary format, a blob of 3 KB is not expanded to 6 KB of hexadecimal digits.
            cursor = connection.cursor(binary=True) if self._is_postgresql else connection.cursor()
            cursor.execute(sql, parameters)
            rows: list[RawRow] = cursor.fetchall()
        except BaseException as error:
            connection.close()
            if ends_connections(error):
                self._renewal.renew()
            if isinstance(error, Exception) and is_unavailable(error):
                self._renewal.doubt()
                raise unavailable(error) from error
            raise
        self._idle.append(taken)
        return rows

    def _open(self) -> _Idle:
        generation = self._renewal.generation
        try:
            pooled = self._engine.raw_connection()
            connection: DriverConnection = pooled.dbapi_connection
            pooled.detach()
            if self._is_postgresql and _is_direct(connection):
                connection.prepare_threshold = 0
        except Exception as error:
            if is_unavailable(error):
                raise unavailable(error) from error
            raise
        return generation, connection


def _is_direct(connection: DriverConnection) -> bool:
    """Report whether the connection goes to the server itself, and not to a pooler.

    PgBouncer in transaction mode may give a connection another server process, which may know another statement by the
    same name. The process id that PgBouncer reports belongs to no server process.
    """
    process: int = connection.execute("SELECT pg_backend_pid()").fetchone()[0]
    return bool(process == connection.info.backend_pid)
