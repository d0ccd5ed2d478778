"""The memory that a worker holds for clients: request bodies and unsent answers."""

from __future__ import annotations

import threading


class MemoryBudget:
    """Counts bytes against a limit. Threads and the event loop both charge it."""

    __slots__ = ("__weakref__", "_lock", "held_bytes", "limit_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        self._lock = threading.Lock()

    @property
    def is_full(self) -> bool:
        """Whether the limit is reached."""
        return self.held_bytes >= self.limit_bytes

    def has_room(self, size: int) -> bool:
        """Report whether `size` more bytes stay within the limit."""
        return self.held_bytes + size <= self.limit_bytes

    def charge(self, size: int) -> None:
        """Count `size` more bytes, even past the limit: a finished answer is in memory already."""
        with self._lock:
            self.held_bytes += size
