"""Which connections of the pools are out of date, and are replaced before their next use.

One error can say something about all connections: a primary that was demoted keeps them open and refuses every write,
and a server that ends one session has mostly ended the others too. After such an error each connection that was opened
before is closed when a pool hands it out, and a fresh one takes its place. The address may lead to another server now.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext

from vault.storage.engine import ends_connections

_EVERY_SECONDS = 1.0
"""A database that stays read-only must not cost every reader a new connection for every refused write."""


class Renewal:
    """Counts generations of connections. Only those of the current generation are handed out. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.generation = 0
        self._clock = clock
        self._renewed_at = float("-inf")
        self._mutex = threading.Lock()

    def watch(self, engine: Engine) -> None:
        """Renew upon errors of this engine, and replace its connections."""
        event.listen(engine, "connect", self._mark)
        event.listen(engine, "checkout", self._check)
        event.listen(engine, "handle_error", self._heed)

    def renew(self) -> None:
        """Make all connections out of date, at most once a second."""
        with self._mutex:
            now = self._clock()
            if now - self._renewed_at >= _EVERY_SECONDS:
                self.generation, self._renewed_at = self.generation + 1, now

    def _mark(self, _connection: object, record: Any) -> None:
        record.info["generation"] = self.generation

    def _check(self, _connection: object, record: Any, _proxy: object) -> None:
        if record.info.get("generation") != self.generation:
            # The pool closes this connection, opens another, and asks again.
            raise sa.exc.DisconnectionError()

    def _heed(self, context: ExceptionContext) -> None:
        if context.is_disconnect or ends_connections(context.original_exception):
            context.is_disconnect = True
            self.renew()
