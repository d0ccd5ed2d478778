"""Short checks of the database: whether the schema fits, whether it takes writes now, and if not, why."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from vault.errors import Unavailable
from vault.storage.database.engine import LOCK_NOT_AVAILABLE, driver_error, sqlstate_of
from vault.storage.database.schema import inspect_database, schema_revision, schema_status
from vault.storage.unit_of_work import Storage

UNREACHABLE, READ_ONLY, HELD, FULL, SCHEMA = (
    "database_unreachable",
    "database_read_only",
    "database_held",
    "database_full",
    "wrong_schema",
)
"""The reasons why the database cannot be used."""

_LOCK_WAIT_SECONDS = 2
_LEASE = "readiness "

_BY_SQLSTATE = {"25006": READ_ONLY, LOCK_NOT_AVAILABLE: HELD, "53100": FULL}
_BY_SQLITE_NAME = {
    "SQLITE_BUSY": HELD,
    "SQLITE_LOCKED": HELD,
    "SQLITE_FULL": FULL,
    "SQLITE_READONLY": READ_ONLY,
}


class StatementRefused(Exception):
    """The database refused a statement of this release, so its schema is not this release's."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind
        """The name of the driver's error."""


@contextmanager
def _refusals_named() -> Iterator[None]:
    """Raise `StatementRefused` for an error of the driver that no other class covers."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise StatementRefused(type(error.orig).__name__) from error


@_refusals_named()
def schema_faults(storage: Storage) -> list[str]:
    """Return the faults for which `serve` would not start, as sentences. It runs a few statements that lock no
    table.
    """
    with storage.read() as unit:
        found = schema_status(unit.connection)
        if not found.is_usable:
            return ["The database has the schema of another release."]
        return inspect_database(unit.connection, found).faults


@_refusals_named()
def revision(storage: Storage) -> str:
    """Return the newest migration in the database."""
    with storage.read() as unit:
        return schema_revision(unit.connection)


@_refusals_named()
def write_something(storage: Storage, holder: str) -> None:
    """Write a row and delete it, under the same lock as every write of a value.

    Raises `DatabaseUnavailable`, and `StatementRefused` if the schema is not this release's.

    Each worker has its own row, so a frozen host does not block the checks of others.
    """
    with storage.write() as unit:
        if not storage.is_sqlite:
            unit.connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_WAIT_SECONDS}s'")
        unit.state.fence()
        unit.leases.take(_LEASE + holder, holder, 0, 0)
        unit.leases.give_back(_LEASE + holder)


def cause_of(error: Unavailable) -> str:
    """Return why a call to the database failed: one of the causes above."""
    origin = error.__cause__
    if isinstance(origin, sa.exc.TimeoutError):
        # All connections are in use by calls that wait.
        return HELD
    if origin is None:
        # Another writer of this process did not finish in time.
        return HELD
    cause = driver_error(origin)
    if isinstance(cause, sqlite3.Error):
        name = getattr(cause, "sqlite_errorname", "")
        return next((found for start, found in _BY_SQLITE_NAME.items() if name.startswith(start)), UNREACHABLE)
    return _BY_SQLSTATE.get(sqlstate_of(origin) or "", UNREACHABLE)
