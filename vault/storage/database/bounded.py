"""A PostgreSQL connection with a time limit for each answer. It closes its socket when the limit is reached."""

from __future__ import annotations

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.errors import OperationalError, _WaitTimeout
from psycopg.rows import TupleRow

_LOOK_SECONDS = 0.1
"""How often psycopg checks for signals while it waits. This is its own default."""


class BoundedConnection(psycopg.Connection[TupleRow]):
    """psycopg's connection with a limit for each wait. After the limit, the result of the statement is unknown."""

    answer_seconds: float = 0.0
    """The limit in seconds; 0 means no limit."""

    def wait(self, gen: PQGen[RV], interval: float = _LOOK_SECONDS, timeout: float | None = None) -> RV:
        """Wait for the server. At the limit, close the connection and raise `OperationalError`."""
        try:
            return super().wait(gen, interval, timeout or self.answer_seconds or None)
        except _WaitTimeout as error:
            # The server may still work on the statement, so the socket must not be used again.
            self.pgconn.finish()
            raise OperationalError("The server did not answer in time.") from error
