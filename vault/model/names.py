"""The rules for names that people give: which characters may be in them, and how long a label is."""

from __future__ import annotations

import unicodedata

from vault.errors import InvalidInput
from vault.model.printable import is_invisible

_REFUSED = frozenset({"Cc", "Cs"})
"""Control characters and half a surrogate pair. With one of these, or an invisible character, two names look alike, or
one name breaks a line of a terminal or a log. `str.isprintable` would refuse new emoji on an old Python.
"""

_SELECTORS = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
"""They choose the form of the character before them. Emoji and CJK signs need them, but no Latin letter does."""


def check_label(name: str, most: int) -> str:
    """Return `name`: 1 to `most` characters, not only spaces, all visible, in one line. Raises `InvalidInput`."""
    if not 1 <= len(name) <= most or not name.strip():
        raise InvalidInput(f"A name has 1 to {most} characters, and not only spaces.", path="name")
    if any(is_invisible(character) or unicodedata.category(character) in _REFUSED for character in name):
        raise InvalidInput("A name has no line breaks, no control characters and no invisible ones.", path="name")
    return name


def check_visible(name: str, *, path: str = "name") -> str:
    """Return `name`. Raises `InvalidInput` if it contains an invisible character: a program would not find it."""
    for before, character in zip(" " + name, name, strict=False):
        # A digit can be a keycap, which has a selector.
        is_lost = character in _SELECTORS and before.isascii() and not before.isdigit()
        if is_lost or is_invisible(character):
            raise InvalidInput(f"A name must not contain the invisible character {code_of(character)}.", path=path)
    return name


def code_of(character: str) -> str:
    """Return the code of a character as Unicode writes it, for example U+200B."""
    return f"U+{ord(character):04X}"
