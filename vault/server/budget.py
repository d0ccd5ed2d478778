"""Memory that is held for clients: bodies on their way in, answers on their way out."""

from __future__ import annotations

import threading


class Budget:
    """A number of bytes with a limit. Threads and the event loop charge it alike."""

    __slots__ = ("_lock", "held_bytes", "limit_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        self._lock = threading.Lock()

    @property
    def is_full(self) -> bool:
        """Whether nothing more fits."""
        return self.held_bytes >= self.limit_bytes

    def has_room(self, size: int) -> bool:
        """Whether `size` bytes more would stay within the limit."""
        return self.held_bytes + size <= self.limit_bytes

    def charge(self, size: int) -> None:
        """Hold `size` bytes more, also past the limit: an answer that is made is in memory already."""
        with self._lock:
            self.held_bytes += size

    def release(self, size: int) -> None:
        """Hold `size` bytes less."""
        with self._lock:
            self.held_bytes -= size
