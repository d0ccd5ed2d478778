"""What was worked out before, kept within a number of bytes."""

from __future__ import annotations

import collections
import sys
import threading
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_ENTRY_BYTES = 250
"""A place in the table, with the room that a growing table leaves free, and one in the order."""


class Memo(Generic[K, V]):
    """Values by key. When they take more than `limit_bytes`, the oldest are forgotten.

    `held_bytes` counts each value as if nothing else held it, so it is never too low.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.held_bytes = 0
        self._limit_bytes = limit_bytes
        self._values: dict[K, V] = {}
        self._order: collections.deque[tuple[K, int]] = collections.deque()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K, default: V) -> V:
        """The value for `key`, or `default`."""
        return self._values.get(key, default)

    def put(self, key: K, value: V, size: int) -> None:
        """Keep `value`, which with its key takes `size` bytes."""
        size += _ENTRY_BYTES
        if size > self._limit_bytes:
            return
        with self._lock:
            if key in self._values:
                # Another thread was first.
                return
            self.held_bytes += size
            self._values[key] = value
            self._order.append((key, size))
            while self.held_bytes > self._limit_bytes:
                oldest, freed = self._order.popleft()
                self.held_bytes -= freed
                del self._values[oldest]


def size_of(row: Iterable[object]) -> int:
    """The bytes of a row: those of its tuple and of each value."""
    return sys.getsizeof(row) + sum(map(sys.getsizeof, row))
