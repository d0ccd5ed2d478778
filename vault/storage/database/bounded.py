"""A connection to PostgreSQL that waits for no answer for ever: past its time, it closes its socket."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.errors import OperationalError, _WaitTimeout

_LOOK_SECONDS = 0.1
"""How often psycopg looks for a signal while it waits; its own default."""


class BoundedConnection(psycopg.Connection[Any]):
    """psycopg's connection with a bound on each wait; what came of the statement is then not known."""

    answer_seconds: float = 0.0
    """The bound; 0 is for ever."""

    def wait(self, gen: PQGen[RV], interval: float = _LOOK_SECONDS, timeout: float | None = None) -> RV:
        """Wait for the server. Raises `OperationalError` past the bound, with the connection closed."""
        try:
            return super().wait(gen, interval, timeout or self.answer_seconds or None)
        except _WaitTimeout as error:
            # The server may still work on it: the socket must never be used for another statement.
            self.pgconn.finish()
            raise OperationalError("The server did not answer in time.") from error
