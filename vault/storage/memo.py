"""A cache with a limit in bytes."""

from __future__ import annotations

import collections
import sys
import threading
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_ENTRY_BYTES = 250
"""The overhead of one entry in the dict and the deque."""


class Memo(Generic[K, V]):
    """Values by key. When they take more than `limit_bytes`, the oldest are dropped.

    `held_bytes` counts each value as if it were not shared, so it is never too low. Thread-safe.
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
        """Keep `value`. `size` is the bytes of the key and the value."""
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
    """The bytes of a row: of its tuple and of each value."""
    return sys.getsizeof(row) + sum(map(sys.getsizeof, row))
