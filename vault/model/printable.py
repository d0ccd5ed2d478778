"""Text of unknown origin, made safe to show."""

from __future__ import annotations

import unicodedata

_INVISIBLE = frozenset({"Cf", "Zl", "Zp"})
"""Format characters, also those that change the direction of text, and line and paragraph separators."""

_IGNORED = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
"""Fillers and joiners of other categories for which programs draw nothing, from Unicode's DerivedCoreProperties
(Default_Ignorable_Code_Point). Variation selectors are not among them, because emoji end in one.
"""


_BLANK = frozenset("\u2800\U0001d159")
"""Symbols that are drawn as blank space: the Braille pattern without dots, and the null notehead."""


def is_invisible(character: str) -> bool:
    """Report whether a character is drawn as nothing, or changes how others are drawn."""
    return unicodedata.category(character) in _INVISIBLE or character in _IGNORED or character in _BLANK


def is_odd_space(character: str) -> bool:
    """Report whether a character is drawn as a space, but is another one."""
    return unicodedata.category(character) == "Zs" and character != " "


def visible(text: str) -> str:
    """Return a text for people, with its invisible characters escaped. Line ends and tabs stay."""
    if text.isascii():
        return text
    return _escaped(text, {character for character in set(text) if is_invisible(character)})


def shown(text: str) -> str:
    """Return a text that is safe in a message: characters that break a line or control a terminal are escaped too."""
    if text.isascii() and text.isprintable():
        return text
    control = {character for character in set(text) if unicodedata.category(character)[0] == "C"}
    return visible(_escaped(text, control))


def _escaped(text: str, characters: set[str]) -> str:
    if not characters:
        return text
    return text.translate({ord(each): each.encode("unicode_escape").decode() for each in characters})
