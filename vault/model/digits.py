"""Reads numbers that a caller sent as text: ASCII digits only, and no more digits than the largest number has.

`int` also accepts digits of other scripts, underscores and spaces, and raises on more than 4,300 digits.
"""

from __future__ import annotations

BIGINT_MOST = 2**63 - 1
"""The largest number in a database column."""


def whole_number(text: str, most: int) -> int | None:
    """Return the number in `text`, if it is from 0 to `most`; otherwise None."""
    if not text.isascii() or not text.isdigit() or len(text) > len(str(most)):
        return None
    number = int(text)
    return number if number <= most else None
