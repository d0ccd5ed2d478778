"""The time, in the one unit that is stored: microseconds since 1970 (UTC).

Only the edges of a process read the clock: `app.py`, the commands and the server. All others are told the time by a
`Clock`, or by the unit of work that they write with, so that a test can tell them another. Ruff refuses a direct
reading (`banned-api` in ruff.toml).
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable

Clock = Callable[[], int]
"""A function that returns the time, in microseconds since 1970."""

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

CLOCKS_DIFFER_US = 5 * MINUTE_US
"""How far the clocks of two hosts may differ in normal operation."""

HOUR_SECONDS = 3600
DAY_SECONDS = 24 * HOUR_SECONDS

_START = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def now_us() -> int:
    """Return the time of this host."""
    return time.time_ns() // 1000


def as_datetime(us: int) -> datetime.datetime:
    """Return a stored time as a `datetime` in UTC."""
    return _START + datetime.timedelta(microseconds=us)


def from_datetime(moment: datetime.datetime) -> int:
    """Return a `datetime` with a zone as a stored time."""
    return (moment - _START) // datetime.timedelta(microseconds=1)


def rfc3339(us: int) -> str:
    """Return a stored time as text, such as `2026-11-22T09:00:00Z`. It has a fraction only if that is not zero."""
    return as_datetime(us).isoformat().replace("+00:00", "Z")
