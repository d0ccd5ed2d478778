"""Long work in small steps: how fast it goes, how long it may last, and how far it has come."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

BATCH = 500
"""Rows in one transaction: enough to share its fsync, few enough that SQLite's writers wait only milliseconds."""

REQUEST_SECONDS = 5.0
"""How long a request works at long work. The next request continues."""

_BATCHES_A_SECOND = 5
_STEP_MOST_SECONDS = 1.0
"""How long a batch of `Pace.batch` takes at the slowest pace. Not every walk uses such small steps."""

Progress = Callable[[int, int], None]
"""A function that is called with the number done and the total."""


Phases = Callable[[str], Progress]
"""A function that starts a part of long work. It takes the part's name."""


def no_progress(_done: int, _total: int) -> None:
    """Does nothing."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Speed and duration of a walk. Without `per_second` it runs at full speed, without `seconds` to its end."""

    per_second: int | None = None
    seconds: float | None = None

    @property
    def batch(self) -> int:
        """The number of rows in one step. A slow pace uses small steps, not bursts."""
        return BATCH if self.per_second is None else max(1, min(BATCH, self.per_second // _BATCHES_A_SECOND))


FULL_SPEED = Pace()


class OutOfTime(Exception):
    """The given time has passed. The next run continues."""


class Walk:
    """Counts what is done, and waits if a pace is set."""

    def __init__(self, pace: Pace, total: int, progress: Progress) -> None:
        self.done = 0
        self._pace = pace
        self._total = total
        self._progress = progress
        self._started = time.monotonic()
        progress(0, total)

    def is_over(self) -> bool:
        """Report whether the given time has passed."""
        return self._pace.seconds is not None and time.monotonic() - self._started >= self._pace.seconds

    def go_on(self) -> None:
        """Raise `OutOfTime` if the given time has passed."""
        if self.is_over():
            raise OutOfTime()

    def add(self, count: int) -> None:
        """Add `count` to what is done, and wait."""
        self.done += count
        # Other writers may add work meanwhile.
        self._total = max(self._total, self.done)
        self._progress(self.done, self._total)
        if self._pace.per_second is not None:
            passed = time.monotonic() - self._started
            ahead = self.done / self._pace.per_second - passed
            # Do not wait long after the given time: a caller waits, on a thread that others need.
            left = ahead if self._pace.seconds is None else self._pace.seconds - passed + _STEP_MOST_SECONDS
            time.sleep(max(0.0, min(ahead, left)))
