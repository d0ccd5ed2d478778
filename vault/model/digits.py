"""Numbers that a caller writes as text: ASCII digits, and no more of them than the largest number has.

`int` reads digits of every script, underscores and spaces, and raises on more than 4,300 digits.
"""

from __future__ import annotations


def whole_number(text: str, most: int) -> int | None:
    """The number that `text` spells, from 0 to `most`; None for every other text."""
    if not text.isascii() or not text.isdigit() or len(text) > len(str(most)):
        return None
    number = int(text)
    return number if number <= most else None
