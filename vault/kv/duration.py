"""Durations as Vault writes them: a number of seconds, or text as in Go (`1h30m`, `1.5h`, `3600s0ns`), also
with days.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

from vault.errors import InvalidInput

_UNITS = {
    "d": Decimal(86_400), "h": Decimal(3600), "m": Decimal(60), "s": Decimal(1),
    "ms": Decimal("1e-3"), "us": Decimal("1e-6"), "µs": Decimal("1e-6"), "μs": Decimal("1e-6"), "ns": Decimal("1e-9"),
}  # fmt: skip
"""Go accepts both Unicode letters for micro."""
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ms|us|µs|μs|ns|[dhms])", re.ASCII)
_WHOLE = re.compile(rf"[-+]?(\d+|(?:{_PART.pattern})+)", re.ASCII)
_CHARACTERS_MOST = 32
SECONDS_MOST = 2**40
"""Larger than every limit here, and small enough for a database."""


def seconds_of(value: object, path: str, *, may_be_negative: bool = False) -> int:
    """Return the seconds in a duration, rounded up. A negative duration is 0 if it may be negative.

    Raises `InvalidInput`. A negative duration is refused by default, as in Vault: 0 often means "for ever", and a
    deadline that has passed must not become that.
    """
    seconds = value if isinstance(value, int) and not isinstance(value, bool) else _seconds_in(value, path)
    if seconds < 0 and not may_be_negative:
        raise InvalidInput("A duration must not be negative.", path=path)
    return max(0, min(seconds, SECONDS_MOST))


def _seconds_in(value: object, path: str) -> int:
    text = value if isinstance(value, str) else ""
    if text == "" and value == "":
        return 0
    if len(text) > _CHARACTERS_MOST or not _WHOLE.fullmatch(text):
        raise InvalidInput("Write a duration as a number of seconds, or as text like 1h30m.", path=path)
    parts = _PART.findall(text)
    # Round up, because 0 often means "never": less than a second must not become 0.
    seconds = math.ceil(sum(Decimal(count) * _UNITS[unit] for count, unit in parts)) if parts else abs(int(text))
    return -seconds if text.startswith("-") else seconds


def text_of(seconds: int) -> str:
    """Return a duration in Go's form: `0s`, `1m30s`, `1h0m0s`."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{left}s"
    return f"{minutes}m{left}s" if minutes else f"{left}s"
