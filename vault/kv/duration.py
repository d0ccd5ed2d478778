"""Durations as Vault writes them: a number of seconds, or Go's text (`1h30m`, `90s`)."""

from __future__ import annotations

import re
from typing import Any

from vault.errors import InvalidInput

_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_PART = re.compile(r"(\d+)([dhms])", re.ASCII)
_WHOLE = re.compile(r"-?(\d+|(\d+[dhms])+)", re.ASCII)
_CHARACTERS_MOST = 32
SECONDS_MOST = 2**40
"""More than any rule here allows, and less than a database cannot hold."""


def seconds_of(value: Any, path: str) -> int:
    """The seconds that a duration means; a negative one means none. Raises `InvalidInput`."""
    if isinstance(value, int) and not isinstance(value, bool):
        return max(0, min(value, SECONDS_MOST))
    text = value if isinstance(value, str) else ""
    if text == "" and value == "":
        return 0
    if len(text) > _CHARACTERS_MOST or not _WHOLE.fullmatch(text):
        raise InvalidInput("A duration is a number of seconds, or a text as 1h30m.", path=path)
    if text.startswith("-"):
        return 0
    seconds = int(text) if text.isdigit() else sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(text))
    return min(seconds, SECONDS_MOST)


def text_of(seconds: int) -> str:
    """A duration in Go's form: `0s`, `1m30s`, `1h0m0s`."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{left}s"
    return f"{minutes}m{left}s" if minutes else f"{left}s"
