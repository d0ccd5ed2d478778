"""Limits of a PostgreSQL session, so that a process that stops or loses its network holds no lock for long.

    process frozen in mid-transaction   the server ends the transaction after `idle_seconds`
    somebody else holds the lock        the statement fails after `lock_seconds`
    host gone, or cut off               both sides find out by TCP keepalives, and by data that nobody acknowledges
    caller gone while the server waits  the server looks for it every few seconds

The limits are set by a statement after connecting and not by the startup parameter `options`, which PgBouncer refuses.
In its transaction mode the statement reaches one of its server connections only, so there the same limits belong to
the database role as well: deploy/RUNBOOK.md says how.
"""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session may hold others up, in seconds."""

    idle_seconds: int
    """In a transaction, between two statements."""
    lock_seconds: int
    """For a lock that another transaction holds. Longer than `idle_seconds` of ordinary sessions: who waits behind a
    frozen one gets the lock when that one is ended."""


ORDINARY = SessionLimits(idle_seconds=10, lock_seconds=15)
"""Of requests, jobs and commands."""

LONG = SessionLimits(idle_seconds=600, lock_seconds=15)
"""Of backups and restores, which read and write archives between two statements."""

UPGRADE = SessionLimits(idle_seconds=600, lock_seconds=600)
"""Of a migration. A second host that starts meanwhile waits for the first."""

_KEEPALIVE_IDLE_SECONDS = 5
_KEEPALIVE_INTERVAL_SECONDS = 2
_KEEPALIVE_COUNT = 3
_UNACKNOWLEDGED_MILLISECONDS = 3000
"""The client gives a server up that does not acknowledge what it was sent for this long."""
_SERVER_UNACKNOWLEDGED_MILLISECONDS = 10_000
_CHECK_CLIENT_SECONDS = 5
_CHECKS_CLIENT_SINCE = 140_000
"""The server version that first has `client_connection_check_interval`."""

_APPLICATION_NAME_MOST_BYTES = 63
"""PostgreSQL cuts longer ones."""

CLIENT_SIDE: dict[str, int] = {
    "keepalives": 1,
    "keepalives_idle": _KEEPALIVE_IDLE_SECONDS,
    "keepalives_interval": _KEEPALIVE_INTERVAL_SECONDS,
    "keepalives_count": _KEEPALIVE_COUNT,
    "tcp_user_timeout": _UNACKNOWLEDGED_MILLISECONDS,
}
"""libpq's own connection parameters."""


def application_name() -> str:
    """How this process is called in `pg_stat_activity`: an operator finds the host that holds a lock by it."""
    return f"strongroom {os.getpid()} {socket.gethostname()}"[:_APPLICATION_NAME_MOST_BYTES]


def limit_session(connection: Any, limits: SessionLimits) -> None:
    """Set the limits of a psycopg connection that has just been opened."""
    values = {
        "idle_in_transaction_session_timeout": f"{limits.idle_seconds}s",
        "lock_timeout": f"{limits.lock_seconds}s",
        "tcp_keepalives_idle": str(_KEEPALIVE_IDLE_SECONDS),
        "tcp_keepalives_interval": str(_KEEPALIVE_INTERVAL_SECONDS),
        "tcp_keepalives_count": str(_KEEPALIVE_COUNT),
        "tcp_user_timeout": str(_SERVER_UNACKNOWLEDGED_MILLISECONDS),
    }
    before = connection.autocommit
    connection.autocommit = True
    connection.execute("; ".join(f"SET {name} = '{value}'" for name, value in values.items()))
    if connection.info.server_version >= _CHECKS_CLIENT_SINCE:
        _check_client(connection)
    connection.autocommit = before


def _check_client(connection: Any) -> None:
    from psycopg.errors import InvalidParameterValue

    # A server on a system that cannot tell whether a socket was closed refuses any value but 0.
    with contextlib.suppress(InvalidParameterValue):
        connection.execute(f"SET client_connection_check_interval = '{_CHECK_CLIENT_SECONDS}s'")
