"""The position in a long list, as a word in the URL: a time and an id."""

from __future__ import annotations

import re

from vault.errors import InvalidInput

Position = tuple[int, str]

_WORD = re.compile(r"([0-9]{1,18})\.([0-9A-Za-z-]{1,64})", re.ASCII)


def encode(place: Position) -> str:
    """Return the word for a position."""
    return f"{place[0]}.{place[1]}"


def decode(word: str) -> Position | None:
    """Return the position of a word, or None for the start. Raises `InvalidInput`."""
    if not word:
        return None
    found = _WORD.fullmatch(word)
    if found is None:
        raise InvalidInput("The list has no such position. Start again from its first page.")
    return int(found[1]), found[2]
