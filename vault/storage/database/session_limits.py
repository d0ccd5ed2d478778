"""Limits of a PostgreSQL session, so that a process that stops or loses its network holds no lock for long.

    process frozen in a transaction     the server ends the transaction after `idle_seconds`
    another transaction holds the lock  the statement fails after `lock_seconds`
    host down or cut off                TCP keepalives and unacknowledged data show it to both sides
    client gone during a statement      the server checks the connection every few seconds

A statement after connecting sets the limits, because PgBouncer refuses the startup parameter `options`. In PgBouncer's
transaction mode that statement reaches only one server connection, so give the same limits to the database role too:
see deploy/RUNBOOK.md.
"""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # psycopg takes 63 ms to import, and the embedded database does not need it.
    import psycopg
    from psycopg.rows import TupleRow


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session may block others, in seconds."""

    idle_seconds: int
    """The longest time between two statements of a transaction."""
    lock_seconds: int
    """The longest wait for a lock. It is longer than the `idle_seconds` of ordinary sessions: a statement that waits
    behind a frozen session gets the lock when the server ends that session.
    """


ORDINARY = SessionLimits(idle_seconds=10, lock_seconds=15)
"""The limits of requests, jobs and commands."""

LONG = SessionLimits(idle_seconds=600, lock_seconds=15)
"""The limits of backups and restores, which read and write archives between two statements."""

UPGRADE = SessionLimits(idle_seconds=600, lock_seconds=600)
"""The limits of migrations. A second host that starts at the same time waits for the first."""

_KEEPALIVE_IDLE_SECONDS = 5
_KEEPALIVE_INTERVAL_SECONDS = 2
_KEEPALIVE_COUNT = 3
_UNACKNOWLEDGED_MILLISECONDS = 3000
"""The client closes a connection if the server acknowledges no data for this long."""
_SERVER_UNACKNOWLEDGED_MILLISECONDS = 10_000
_CHECK_CLIENT_SECONDS = 5
_CHECKS_CLIENT_SINCE = 140_000
"""The first server version with `client_connection_check_interval`."""

_APPLICATION_NAME_MOST_BYTES = 63
"""PostgreSQL truncates longer names."""

CLIENT_SIDE: dict[str, int] = {
    "keepalives": 1,
    "keepalives_idle": _KEEPALIVE_IDLE_SECONDS,
    "keepalives_interval": _KEEPALIVE_INTERVAL_SECONDS,
    "keepalives_count": _KEEPALIVE_COUNT,
    "tcp_user_timeout": _UNACKNOWLEDGED_MILLISECONDS,
}
"""Connection parameters of libpq."""


def application_name() -> str:
    """Return the name of this process in `pg_stat_activity`. An operator can see which host holds a lock."""
    return f"strongroom {os.getpid()} {socket.gethostname()}"[:_APPLICATION_NAME_MOST_BYTES]


def limit_session(connection: psycopg.Connection[TupleRow], limits: SessionLimits) -> None:
    """Set the limits of a new psycopg connection."""
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


def _check_client(connection: psycopg.Connection[TupleRow]) -> None:
    from psycopg.errors import InvalidParameterValue

    # On some operating systems the server cannot check a socket and accepts only 0.
    with contextlib.suppress(InvalidParameterValue):
        connection.execute(f"SET client_connection_check_interval = '{_CHECK_CLIENT_SECONDS}s'")
