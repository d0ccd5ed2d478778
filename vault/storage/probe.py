"""Small questions to the database: does the schema fit, can it be written now, and if not, why not."""

from __future__ import annotations

import sqlite3
from typing import Any

import sqlalchemy as sa

from vault.errors import Unavailable
from vault.storage.schema import schema_revision, schema_state
from vault.storage.tables import metadata
from vault.storage.unit_of_work import Storage

UNREACHABLE, READ_ONLY, HELD, FULL, SCHEMA = (
    "database_unreachable",
    "database_read_only",
    "database_held",
    "database_full",
    "wrong_schema",
)
"""Why the database is of no use just now."""

_LOCK_WAIT_SECONDS = 2
_LEASE = "readiness "
_USABLE = ("current", "accepted")

_BY_SQLSTATE = {"25006": READ_ONLY, "55P03": HELD, "53100": FULL}
_BY_SQLITE_NAME = {
    "SQLITE_BUSY": HELD,
    "SQLITE_LOCKED": HELD,
    "SQLITE_FULL": FULL,
    "SQLITE_READONLY": READ_ONLY,
}


def fits_schema(storage: Storage) -> bool:
    """Whether every table of this release is there with its columns. A few dozen statements that read no row."""
    with storage.read() as unit:
        if schema_state(unit.connection) not in _USABLE:
            return False
        for table in metadata.sorted_tables:
            unit.connection.execute(sa.select(table).limit(0))
    return True


def revision(storage: Storage) -> str:
    """The migration that the database stands at."""
    with storage.read() as unit:
        return schema_revision(unit.connection)


def write_something(storage: Storage, holder: str) -> None:
    """Store a row and delete it, under the fence that every write of a value takes. Raises what the database raises.

    Nobody else writes this row, so that a frozen host holds up no other one's probe.
    """
    with storage.write() as unit:
        if not storage.is_sqlite:
            unit.connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_WAIT_SECONDS}s'")
        unit.state.fence()
        unit.leases.take(_LEASE + holder, holder, 0, 0)
        unit.leases.give_back(_LEASE + holder)


def cause_of(error: Unavailable) -> str:
    """Why a call to the database failed: one of the causes above."""
    origin = error.__cause__
    if isinstance(origin, sa.exc.TimeoutError):
        # Every connection is in use, by calls that wait.
        return HELD
    cause: Any = origin.orig if isinstance(origin, sa.exc.DBAPIError) else origin
    if isinstance(cause, sqlite3.Error):
        name = getattr(cause, "sqlite_errorname", "")
        return next((found for start, found in _BY_SQLITE_NAME.items() if name.startswith(start)), UNREACHABLE)
    if cause is None:
        # Another writer of this process was not done in time.
        return HELD
    return _BY_SQLSTATE.get(getattr(cause, "sqlstate", None) or "", UNREACHABLE)
