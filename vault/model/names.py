"""The rules for names that people give: which characters may be in them, and how long a label is."""

from __future__ import annotations

import unicodedata

from vault.errors import InvalidInput
from vault.model.printable import is_invisible, is_odd_space, shown

_REFUSED = frozenset({"Cc", "Cs"})
"""Control characters and half a surrogate pair. With one of these, or an invisible character, two names look alike, or
one name breaks a line of a terminal or a log. `str.isprintable` would refuse new emoji on an old Python.
"""

_SELECTORS = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
"""They choose the form of the character before them. Emoji and CJK signs need them, but no Latin letter does."""


_LETTERS = frozenset({"Lu", "Ll", "Lt", "Lo"})

_MIXES = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
)
"""Scripts that one name may mix, as UTS 39 lists them under "Highly Restrictive": Japanese, Chinese and Korean do."""


def check_label(name: str, most: int) -> str:
    """Return `name`: 1 to `most` characters, not only spaces, all visible, in one line. Raises `InvalidInput`."""
    if not 1 <= len(name) <= most or not name.strip():
        raise InvalidInput(f"A name has 1 to {most} characters, and not only spaces.", path="name")
    if any(is_invisible(character) or unicodedata.category(character) in _REFUSED for character in name):
        raise InvalidInput("A name has no line breaks, no control characters and no invisible ones.", path="name")
    return name


def check_visible(name: str, *, path: str = "name") -> str:
    """Return `name`. Raises `InvalidInput` if it contains an invisible character, or a space that is not the usual one:
    a program would not find it.
    """
    for before, character in zip(" " + name, name, strict=False):
        # A digit can be a keycap, which has a selector.
        is_lost = character in _SELECTORS and before.isascii() and not before.isdigit()
        if is_lost or is_invisible(character):
            raise InvalidInput(f"A name must not contain the invisible character {code_of(character)}.", path=path)
        if is_odd_space(character):
            raise InvalidInput(
                f"A name must not contain {code_of(character)}, which looks like a space and is another character.",
                path=path,
            )
    return name


def mixed_scripts(name: str) -> tuple[str, ...]:
    """Return a warning if a name mixes letters of several scripts, such as Latin and Cyrillic, which look alike."""
    first: dict[str, str] = {}
    for letter in name if not name.isascii() else "":
        if unicodedata.category(letter) in _LETTERS:
            # A letter's name in Unicode begins with its script. Forms for other widths are letters of their own.
            first.setdefault(unicodedata.name(letter, "UNKNOWN").partition(" ")[0], letter)
    if len(first) < 2 or any(first.keys() <= mix for mix in _MIXES):
        return ()
    told = ", ".join(f"{script.capitalize()} ({code_of(letter)})" for script, letter in list(first.items())[:5])
    return (f"{shown(name)} mixes letters of different scripts, which can look alike: {told}.",)


def code_of(character: str) -> str:
    """Return the code of a character as Unicode writes it, for example U+200B."""
    return f"U+{ord(character):04X}"
