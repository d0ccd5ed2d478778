"""Replaces all pooled connections after an error that concerns the whole server.

A demoted primary keeps its connections open and refuses every write. A server that ends one session has usually ended
the others too. After such an error, each older connection is closed at its next checkout and a new one is opened, which
may reach another server.

A connection that was opened after such an error may have reached a standby, which answers reads with old rows for ever.
So the first write that is stored afterwards replaces all connections once more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext
from sqlalchemy.pool import ConnectionPoolEntry

from vault.storage.database.engine import ends_connections

_EVERY_SECONDS = 1.0
"""If a database stays read-only, refused writes must not make every reader reconnect each time."""


class Renewal:
    """Counts generations of connections. Only connections of the current generation are used. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.generation = 0
        self._clock = clock
        self._renewed_at = float("-inf")
        self._in_doubt = True
        self._mutex = threading.Lock()

    def watch(self, engine: Engine) -> None:
        """Watch this engine for such errors, and replace its connections after one."""
        event.listen(engine, "connect", self._mark)
        event.listen(engine, "checkout", self._check)
        event.listen(engine, "handle_error", self._on_error)

    def renew(self) -> None:
        """Start a new generation, at most once a second."""
        with self._mutex:
            self._in_doubt = True
            now = self._clock()
            if now - self._renewed_at >= _EVERY_SECONDS:
                self.generation, self._renewed_at = self.generation + 1, now

    def doubt(self) -> None:
        """Note that a connection was lost. The next one may reach a server that takes no writes."""
        self._in_doubt = True

    def wrote(self, connection: sa.Connection) -> None:
        """Note that this connection has stored a write, so its server is the primary."""
        if self._in_doubt:
            self._settle(connection.info["generation"])

    def _settle(self, generation: int) -> None:
        with self._mutex:
            # An older connection may have written before the error that caused the doubt.
            if generation == self.generation:
                self.generation, self._in_doubt = self.generation + 1, False

    def _mark(self, _connection: object, record: ConnectionPoolEntry) -> None:
        record.info["generation"] = self.generation

    def _check(self, _connection: object, record: ConnectionPoolEntry, _proxy: object) -> None:
        if record.info.get("generation") != self.generation:
            # The pool closes this connection, opens another one, and calls this again.
            raise sa.exc.DisconnectionError()

    def _on_error(self, context: ExceptionContext) -> None:
        if context.is_disconnect or ends_connections(context.original_exception):
            context.is_disconnect = True
            self.renew()
