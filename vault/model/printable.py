"""Text of unknown origin, made safe to print."""

from __future__ import annotations

import unicodedata


def shown(text: str) -> str:
    """A text as it may stand in a sentence: what would break a line or steer a terminal is escaped."""
    if text.isprintable():
        return text
    safe = (
        character if unicodedata.category(character)[0] != "C" else character.encode("unicode_escape").decode()
        for character in text
    )
    return "".join(safe)
