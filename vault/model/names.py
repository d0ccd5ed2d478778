"""The rules for names that people give to their tokens and second factors."""

from __future__ import annotations

import unicodedata

from vault.errors import InvalidInput

_REFUSED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control and format characters, half a surrogate pair, line and paragraph separators. With one of these, two names
look alike, or one name breaks a line of a terminal or a log. `str.isprintable` would refuse new emoji on an old Python.
"""


def check_label(name: str, most: int) -> str:
    """Return `name`: 1 to `most` characters, not only spaces, all visible, in one line. Raises `InvalidInput`."""
    if not 1 <= len(name) <= most or not name.strip():
        raise InvalidInput(f"A name has 1 to {most} characters, and not only spaces.", path="name")
    if any(unicodedata.category(character) in _REFUSED for character in name):
        raise InvalidInput("A name has no line breaks, no control characters and no invisible ones.", path="name")
    return name
