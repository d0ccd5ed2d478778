"""Receipts: an answer waits until the disk has its records, without blocking a thread.

    thread ─ record ─► batch ─────────► disk ─┐
       └ makes the answer ─► held back ───────┴─► the answer is sent

By default, a thread waits for the batch. Within `hold` it continues, and the sender of the answer holds it back until
all of its receipts are settled. So a slow disk does not block threads:
with a disk that needs 5 ms for a write, 32 clients got 1,026 reads a second instead of 526. With a disk that needs
0.1 ms it makes no difference.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar

from vault.crypto import SealedBlob

Settled = Callable[[bool], object]
"""A function that is called with whether the records are on the disk."""


class Batch:
    """Records that are written to disk together, and the result. The first thread to come writes for all."""

    __slots__ = ("_calls", "_is_settled", "_lock", "is_stored", "records", "size")

    def __init__(self) -> None:
        self.records: list[tuple[bytes, SealedBlob]] = []
        self.size = 0
        self.is_stored = False
        self._is_settled = threading.Event()
        self._lock = threading.Lock()
        self._calls: list[Settled] = []

    def settle(self, *, is_stored: bool) -> None:
        """Store the result: the records are on the disk, or never will be."""
        with self._lock:
            self.is_stored = is_stored
            self._is_settled.set()
        for call in self._calls:
            call(is_stored)

    def wait(self) -> bool:
        """Wait for the result. Returns whether the records are on the disk."""
        self._is_settled.wait()
        return self.is_stored

    def then(self, call: Settled) -> None:
        """Call `call` with the result: in the thread that has written, or at once if the result is known."""
        with self._lock:
            if not self._is_settled.is_set():
                self._calls.append(call)
                return
        call(self.is_stored)


_HELD: ContextVar[list[Batch] | None] = ContextVar("held_receipts", default=None)


def hold() -> list[Batch]:
    """Make all later records of this context put their receipts into this list instead of waiting."""
    receipts: list[Batch] = []
    _HELD.set(receipts)
    return receipts


def is_held(receipt: Batch) -> bool:
    """Report whether `hold` took over the receipt, so that the caller need not wait."""
    receipts = _HELD.get()
    if receipts is None:
        return False
    receipts.append(receipt)
    return True


def when_settled(receipts: Sequence[Batch], call: Settled) -> None:
    """Call `call` once all receipts are settled, or one of them has failed."""
    if not receipts:
        call(True)
        return
    first, *others = receipts
    first.then(lambda is_stored: when_settled(others, call) if is_stored else call(False))
