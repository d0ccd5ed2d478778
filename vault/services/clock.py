"""Time, always in the unit that is stored: microseconds since 1970 (UTC)."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""A function that returns the time. Tests give services another clock."""

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US


def now_us() -> int:
    """Return the current time, in microseconds since 1970."""
    return time.time_ns() // 1000
