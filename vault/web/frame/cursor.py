"""Where a page of a long list goes on: a time and an id, as one word in the address."""

from __future__ import annotations

import re

from vault.errors import InvalidInput

Place = tuple[int, str]

_WORD = re.compile(r"([0-9]{1,18})\.([0-9A-Za-z-]{1,64})", re.ASCII)


def encode(place: Place) -> str:
    """The word for a place."""
    return f"{place[0]}.{place[1]}"


def decode(word: str) -> Place | None:
    """The place of a word; None for the beginning. Raises `InvalidInput`."""
    if not word:
        return None
    found = _WORD.fullmatch(word)
    if found is None:
        raise InvalidInput("This list has no such place; begin at its start.")
    return int(found[1]), found[2]
