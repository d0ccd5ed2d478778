"""A cache with a limit in bytes."""

from __future__ import annotations

import collections
import sys
import threading
from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeVar

from sqlalchemy import Boolean, Integer, LargeBinary, String

from vault.storage.sql_types import AnyColumn

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_ENTRY_BYTES = 250
"""The overhead of one entry in the dict and the deque."""

_INTEGER_BYTES = sys.getsizeof(2**63)

_OWN_TEXT_LENGTH = 36
"""Columns of at most this length hold ids and words of this program, which are ASCII. Names from people are longer."""


class Memo(Generic[K, V]):
    """Values by key. If they need more than `limit_bytes`, the oldest are dropped.

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
        """Return the value for `key`, or `default`."""
        return self._values.get(key, default)

    def put(self, key: K, value: V, size: int) -> None:
        """Store `value`. `size` is the bytes of the key and the value."""
        size += _ENTRY_BYTES
        if size > self._limit_bytes:
            return
        with self._lock:
            if key in self._values:
                # Another thread was faster.
                return
            self.held_bytes += size
            self._values[key] = value
            self._order.append((key, size))
            while self.held_bytes > self._limit_bytes:
                oldest, freed = self._order.popleft()
                self.held_bytes -= freed
                del self._values[oldest]


class RowSize:
    """The bytes that a checked row with these columns needs, never too low.

    Numbers, short texts and bytes of a declared length count as the maximum of their column. Measuring each value of a
    row would take as long as its MAC, so only the other values are measured.
    """

    def __init__(self, columns: Iterable[AnyColumn]) -> None:
        most = [_most_bytes(column) for column in columns]
        self._measured = tuple(position for position, size in enumerate(most) if size is None)
        self._fixed = sys.getsizeof(tuple(most)) + sum(size for size in most if size is not None)

    def of(self, row: Sequence[object]) -> int:
        """Return the bytes of the row's tuple and its values."""
        return self._fixed + sum(map(sys.getsizeof, map(row.__getitem__, self._measured)))


def _most_bytes(column: AnyColumn) -> int | None:
    """Return the largest size of a value in this column, or None if values must be measured."""
    kind = column.type
    if isinstance(kind, Integer | Boolean):
        return _INTEGER_BYTES
    if isinstance(kind, String) and kind.length is not None and kind.length <= _OWN_TEXT_LENGTH:
        return sys.getsizeof("") + kind.length
    if isinstance(kind, LargeBinary) and kind.length is not None:
        return sys.getsizeof(b"") + kind.length
    return None
