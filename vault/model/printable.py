"""Text of unknown origin, made safe to print."""

from __future__ import annotations

import unicodedata


def shown(text: str) -> str:
    """Return a text that is safe in a message: characters that break a line or control a terminal are escaped."""
    if text.isprintable():
        return text
    safe = (
        character if unicodedata.category(character)[0] != "C" else character.encode("unicode_escape").decode()
        for character in text
    )
    return "".join(safe)
