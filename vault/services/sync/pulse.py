"""Whether the thread that looks for changes still turns. The thread sets it, and readiness reads it."""

from __future__ import annotations

import time
from collections.abc import Callable

LATE_SECONDS = 10.0
"""A turn takes milliseconds. After this long, the thread hangs."""


class Pulse:
    """The last sign of life of one thread. Each method is one atomic assignment or read."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None

    def begin(self) -> None:
        """Note that the thread has work, unless it had some already."""
        if self._since is None:
            self._since = self._clock()

    def beat(self) -> None:
        """Note that the thread has finished a turn."""
        self._since = self._clock()

    def rest(self) -> None:
        """Note that there is nothing to do."""
        self._since = None

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last turn; 0 if there is nothing to do."""
        since = self._since
        return 0.0 if since is None else self._clock() - since

    @property
    def is_late(self) -> bool:
        """Whether the thread has stopped turning although there is work."""
        return self.silent_seconds > LATE_SECONDS
