"""Durations as Vault writes them: a number of seconds, or Go's text (`1h30m`, `1.5h`, `3600s0ns`, and days besides)."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

from vault.errors import InvalidInput

_UNITS = {
    "d": Decimal(86_400), "h": Decimal(3600), "m": Decimal(60), "s": Decimal(1),
    "ms": Decimal("1e-3"), "us": Decimal("1e-6"), "µs": Decimal("1e-6"), "μs": Decimal("1e-6"), "ns": Decimal("1e-9"),
}  # fmt: skip
"""Go knows two letters for micro, and so do those who write for it."""
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ms|us|µs|μs|ns|[dhms])", re.ASCII)
_WHOLE = re.compile(rf"[-+]?(\d+|(?:{_PART.pattern})+)", re.ASCII)
_CHARACTERS_MOST = 32
SECONDS_MOST = 2**40
"""More than any rule here allows, and less than a database cannot hold."""


def seconds_of(value: Any, path: str) -> int:
    """The seconds that a duration means, rounded up; a negative one means none. Raises `InvalidInput`."""
    if isinstance(value, int) and not isinstance(value, bool):
        return max(0, min(value, SECONDS_MOST))
    text = value if isinstance(value, str) else ""
    if text == "" and value == "":
        return 0
    if len(text) > _CHARACTERS_MOST or not _WHOLE.fullmatch(text):
        raise InvalidInput("A duration is a number of seconds, or a text as 1h30m.", path=path)
    if text.startswith("-"):
        return 0
    parts = _PART.findall(text)
    # Nothing means "never" in many places: a moment must not become nothing.
    seconds = math.ceil(sum(Decimal(count) * _UNITS[unit] for count, unit in parts)) if parts else int(text)
    return min(seconds, SECONDS_MOST)


def text_of(seconds: int) -> str:
    """A duration in Go's form: `0s`, `1m30s`, `1h0m0s`."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{left}s"
    return f"{minutes}m{left}s" if minutes else f"{left}s"
