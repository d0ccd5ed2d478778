"""Time limits for tests. They are set for an idle machine, and grow on a busy one.

Nothing is measured if the work ends within its limit. If it does not, the start of the command is timed and compared
with its time on an idle machine, and the limit is multiplied by the ratio. So work on a busy machine gets more time,
and work that hangs still fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

QUIET_START_SECONDS = 0.1
"""The seconds that `strongroom --version` takes on one idle core, rounded up."""

MOST_TIMES = 60.0
"""The largest factor, so that every wait ends."""

HANG_SECONDS = 300.0
"""The limit for work that must end but may be slow. Only a program that hangs takes so long."""


def slowness() -> float:
    """Return how many times slower than an idle machine this machine is now, at least 1."""
    started = time.monotonic()
    command = [sys.executable, "-m", "vault", "--version"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=HANG_SECONDS)
    measured = (time.monotonic() - started) / QUIET_START_SECONDS
    # The start shows the speed now. The load shows the speed of the last minute, when the limit ran out.
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return min(max(1.0, measured, load), MOST_TIMES)


def in_time(seconds: float, limit_seconds: float) -> bool:
    """Report whether `seconds` is within the limit, which is larger on a busy machine."""
    return seconds < limit_seconds or seconds < limit_seconds * slowness()


def eventually(condition: Callable[[], bool], within_seconds: float = 10.0) -> bool:
    """Report whether `condition` becomes true within the limit, which is larger on a busy machine."""
    started = time.monotonic()
    if _becomes(condition, started + within_seconds):
        return True
    return _becomes(condition, started + within_seconds * slowness())


def _becomes(condition: Callable[[], bool], end: float) -> bool:
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
