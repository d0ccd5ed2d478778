"""A flag that ends a pause."""

from __future__ import annotations

import threading
from contextlib import suppress


class Latch:
    """A flag that is set once, by any thread or a signal handler, and ends a pause."""

    # Not `threading.Event`: a handler that interrupts its `wait` in the same thread could not set it.
    def __init__(self) -> None:
        self.is_set = False
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """Set the flag."""
        if not self.is_set:
            self.is_set = True
            with suppress(RuntimeError):
                self._lock.release()

    def wait(self, seconds: float) -> None:
        """Return after `seconds`, or at once if the flag is set."""
        if self._lock.acquire(timeout=seconds):
            self._lock.release()
