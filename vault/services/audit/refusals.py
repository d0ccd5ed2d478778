"""Counts refusals of unknown callers by address and minute, so that a flood of them does not flood the audit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

from vault.model.clock import MINUTE_US, Clock
from vault.model.folding import fold_address

_MOST = 256
"""The most refusals that are counted separately. Further ones are counted only by call and code.

So a flood from many addresses makes at most about 500 events a minute in each worker."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """How often this call refused an address with this code. `at_us` is the start of the minute."""

    at_us: int
    address: str
    code: str
    call: str
    count: int


class Refusals:
    """The counters of this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[tuple[int, str, str, str], int] = {}

    def note(self, address: str, code: str, call: str) -> Gathered | None:
        """Count one refusal. Returns what to record at once if it is the first of its kind in this minute."""
        now = self._clock()
        folded = fold_address(address)
        with self._lock:
            key = (now - now % MINUTE_US, folded, code, call)
            if key not in self._counts and len(self._counts) >= _MOST:
                key = (key[0], "", code, call)
            count = self._counts[key] = self._counts.get(key, 0) + 1
        return Gathered(now, key[1], code, call, 1) if count == 1 else None

    def finished(self, *, all_minutes: bool = False) -> Iterator[Gathered]:
        """Yield what is left to record of past minutes: everything except the first of each kind."""
        now = self._clock()
        with self._lock:
            over = [key for key in self._counts if all_minutes or key[0] + MINUTE_US <= now]
            counts = [(key, self._counts.pop(key)) for key in over]
        for (minute, address, code, call), count in counts:
            if count > 1:
                yield Gathered(minute, address, code, call, count - 1)
