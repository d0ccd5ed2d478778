"""Connections to SQLite or PostgreSQL, set up so that every acknowledged commit is stored."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from vault.errors import DatabaseUnavailable, StorageError
from vault.settings import check_database, hosts_as_options
from vault.storage.database.session_limits import CLIENT_SIDE, ORDINARY, SessionLimits, application_name, limit_session
from vault.storage.signing.repository import Stale

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

_Options: TypeAlias = dict[str, Any]  # type: ignore[explicit-any]  # Each option has a type of its own.

SQLITE_BUSY_SECONDS = 10.0
_POOL_WAIT_SECONDS = 5.0
_CONNECT_SECONDS = 2

_ANSWER_SECONDS = 20.0
"""The limit for one statement on PostgreSQL. The server's own timeouts do not detect a server that hangs with open
sockets: `statement_timeout` does not even limit a commit that waits for a standby.
"""

_UNAVAILABLE_CLASSES = frozenset({"08", "53", "57", "58", "XX"})
"""SQLSTATE classes: connection, resources, operator intervention, system error, internal error."""
_DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
_AGAIN = frozenset({"40001", "40P01"})
"""Serialisation failure and deadlock: retry the same work at once."""

LOCK_NOT_AVAILABLE = "55P03"

_REFUSED = {
    "25006": "The database takes no writes at the moment. Nothing was stored: try again later.",
    "25P03": "The database ended this change because it was idle for too long. Nothing was stored: try again.",
    "25P04": "The database ended this change because it took too long. Nothing was stored: try again.",
    LOCK_NOT_AVAILABLE: "Another change holds a lock that this one needs. Nothing was stored: try again.",
}
"""SQLSTATEs of a transaction that was certainly not stored. The caller may try again later."""

_CONNECTION_IS_OVER = frozenset({"25006", "25P03", "25P04", "57P01", "57P02", "57P03", "57P05"})
"""SQLSTATEs after which a connection is useless: its server was demoted, stops, starts, or closed it."""


def parse_url(url: str) -> URL:
    """Return the database's address, with the driver that Strongroom uses. Raises `SettingsError`."""
    check_database(url)
    parsed = make_url(hosts_as_options(url))
    drivers = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
    kind = parsed.drivername.split("+")[0]
    return parsed.set(drivername=drivers[kind])


def make_engine(
    url: URL, *, pool_size: int, autocommit: bool, bounded: bool = True, limits: SessionLimits = ORDINARY
) -> Engine:
    """Return an engine for reads (`autocommit`) or for transactions.

    `bounded` limits each statement to 20 s. `limits` apply to each PostgreSQL session.
    """
    sqlite = url.get_backend_name() == "sqlite"
    options: _Options = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": _POOL_WAIT_SECONDS}
    if sqlite:
        options["connect_args"] = {"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False}
        options["isolation_level"] = "AUTOCOMMIT"
        options["poolclass"] = QueuePool
    else:
        # PgBouncer in transaction mode cannot keep prepared statements.
        options["connect_args"] = {"prepare_threshold": None, "connect_timeout": _CONNECT_SECONDS, **CLIENT_SIDE}
        options["pool_pre_ping"] = not autocommit
        if autocommit:
            options["isolation_level"] = "AUTOCOMMIT"
    if autocommit:
        options["pool_reset_on_return"] = None
    engine = sa.create_engine(url, **options)
    event.listen(engine, "connect", _prepare_sqlite if sqlite else _prepare_postgresql)
    if not sqlite:
        # This must be first: SQLAlchemy's own first query fails if it gets bytes instead of text.
        event.listen(engine, "connect", _require_utf8, insert=True)
    if not sqlite:
        event.listen(engine, "connect", lambda connection, _record: limit_session(connection, limits))
    if not sqlite and bounded:
        event.listen(engine, "do_connect", _connect_bounded)
    if sqlite and not autocommit:
        event.listen(engine, "begin", _begin_immediate)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # Tests with power cuts: only FULL kept every acknowledged commit (NORMAL lost up to 778).
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", "trusted_schema=OFF"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: sa.Connection) -> None:
    # A transaction that first reads and then writes can fail in the middle with "database is locked".
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _connect_bounded(
    _dialect: object, _record: object, arguments: list[str], options: _Options
) -> psycopg.Connection[TupleRow]:
    # psycopg takes 63 ms to import, and the embedded database does not need it.
    from vault.storage.database.bounded import BoundedConnection

    options.setdefault("application_name", application_name())
    connection = BoundedConnection.connect(*arguments, **options)
    connection.answer_seconds = _ANSWER_SECONDS
    return connection


def _require_utf8(connection: psycopg.Connection[TupleRow], _record: object) -> None:
    """Raise `StorageError` for a database that cannot store every text."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StorageError(
            f"The database's encoding is {encoding}, but Strongroom needs UTF8. Create the database with "
            "`CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`."
        )


def _prepare_postgresql(connection: psycopg.Connection[TupleRow], record: ConnectionPoolEntry) -> None:
    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        # If the wait for the standby is cancelled, PostgreSQL reports success with only this warning. The row is lost
        # after a failover.
        if diagnostic.sqlstate == "01000" and "synchronous replication" in (diagnostic.message_primary or ""):
            record.info["unsafe_commit"] = True

    connection.add_notice_handler(note)


@contextmanager
def translated() -> Iterator[None]:
    """Turn driver errors into ours.

    A database that does not answer becomes `DatabaseUnavailable`, a deadlock `Stale`, and a damaged SQLite file
    `StorageError`.
    """
    try:
        yield
    except (sa.exc.TimeoutError, sa.exc.DBAPIError) as error:
        if getattr(getattr(error, "orig", None), "sqlite_errorname", "").startswith(_DAMAGED):
            raise StorageError(
                "The database file is damaged, or is not a SQLite database. Stop the servers, move it away together "
                "with its -wal and -shm files, and restore a backup."
            ) from error
        if may_try_again(error):
            raise Stale() from error
        if is_unavailable(error):
            raise unavailable(error) from error
        raise


@contextmanager
def waiting_at_most(connection: sa.Connection, milliseconds: int) -> Iterator[None]:
    """Let a connection to SQLite wait this long for other writers, instead of `SQLITE_BUSY_SECONDS`."""
    connection.exec_driver_sql(f"PRAGMA busy_timeout={milliseconds}")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={int(SQLITE_BUSY_SECONDS * 1000)}")


def unavailable(error: BaseException) -> DatabaseUnavailable:
    """Return the error for callers, for a driver error that `is_unavailable`."""
    return DatabaseUnavailable(_REFUSED.get(sqlstate_of(error) or "", ""))


def is_unavailable(error: BaseException) -> bool:
    """Report whether the database is unreachable or takes no writes, rather than refusing this statement."""
    if isinstance(error, sa.exc.TimeoutError):
        return True
    cause = driver_error(error)
    if isinstance(cause, sqlite3.OperationalError):
        name = getattr(cause, "sqlite_errorname", "")
        return name.startswith(
            ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_READONLY")
        )
    state = sqlstate_of(error)
    if state is None:
        return type(cause).__name__ in ("OperationalError", "InterfaceError", "ConnectionTimeout")
    return state[:2] in _UNAVAILABLE_CLASSES or state in _REFUSED


def is_refused(error: BaseException) -> bool:
    """Report whether this error proves that the transaction was not stored, even during a commit."""
    return sqlstate_of(error) in _REFUSED


def ends_connections(error: BaseException) -> bool:
    """Report whether all connections to the server are useless after this error."""
    return sqlstate_of(error) in _CONNECTION_IS_OVER


def may_try_again(error: BaseException) -> bool:
    """Report whether the same transaction may succeed if it is run again from its start."""
    return sqlstate_of(error) in _AGAIN


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE of a PostgreSQL error, also inside SQLAlchemy's; None for any other error."""
    state: str | None = getattr(driver_error(error), "sqlstate", None)
    return state


def driver_error(error: BaseException) -> BaseException | None:
    """Return the driver's own error inside SQLAlchemy's, or `error` itself."""
    return error.orig if isinstance(error, sa.exc.DBAPIError) else error
