"""Finds well-known passwords: those of a list, and two of its common words joined.

The list is `known_passwords.txt`, which says where it comes from. It has passwords of twelve or more characters, which
are refused as they are, and common shorter words, which are refused in pairs or with few digits and marks around them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

LEET = str.maketrans({"@": "a", "4": "a", "3": "e", "1": "i", "!": "i", "0": "o", "$": "s", "5": "s", "7": "t"})

MARKS_FEW = 8
"""With this many different digits and marks around it, a well-known password is no longer well known."""

WORD_LEAST = 3
LONG_CHARACTERS = 12
_LIST = Path(__file__).with_name("known_passwords.txt")
_ENDS = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_MARKS = re.compile(r"[\W_]+")


def is_known(folded: str) -> bool:
    """Report whether a password, already case-folded, is well known, or is so under digits, marks and l33t letters."""
    long_ones, words = known_passwords()
    if folded in long_ones:
        return True
    marks = {character for character in folded if not character.isalpha() and not character.isspace()}
    if len(marks) >= MARKS_FEW:
        return False
    cores = (folded, _ENDS.sub("", folded))
    variants = {_MARKS.sub("", text) for core in cores for text in (core, core.translate(LEET))}
    return any(text in long_ones or _is_of_words(text, words) for text in variants)


@lru_cache(maxsize=1)
def known_passwords() -> tuple[frozenset[str], frozenset[str]]:
    """Return the long passwords of the list, and its common words."""
    lines = _LIST.read_text(encoding="ascii").splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    return (
        frozenset(text for text in listed if len(text) >= LONG_CHARACTERS),
        frozenset(text for text in listed if len(text) < LONG_CHARACTERS),
    )


def _is_of_words(text: str, words: frozenset[str]) -> bool:
    """Report whether the text is one of the words, or two of them joined."""
    cuts = range(WORD_LEAST, len(text) - WORD_LEAST + 1)
    return text in words or any(text[:cut] in words and text[cut:] in words for cut in cuts)
