r"""Variables inside of dotenv values: `$NAME`, `${NAME}`, `${NAME-default}` and `${NAME:-default}`.

An import expands them only if it is asked to. A name stands for the value that it has before this line in the file. A
backslash before `$` keeps the sign. A name without a value is kept as it is written, with a warning: its value may be
stored elsewhere. Nothing is expanded in a value that was put in, so there are no loops.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from vault.errors import TooLarge
from vault.model.environment import ENVIRONMENT_MAX_BYTES
from vault.model.printable import shown

# Each alternative ends before the next `$`, so the time is linear.
_PIECE = re.compile(
    r"""
    \\(?P<escape>.)
    | \$(?P<bare>[A-Za-z_][A-Za-z0-9_]*)
    | \$\{(?P<name>[A-Za-z_][A-Za-z0-9_.]*)(?:(?P<sign>:?-)(?P<default>[^\\${}]*))?\}
    | (?P<other>\$\{[A-Za-z_])
    """,
    re.VERBOSE | re.DOTALL,
)
_PUT_MOST_CHARACTERS = 4 * ENVIRONMENT_MAX_BYTES
"""The limit for all values that are put in: a file of a few lines can double a value with each line."""


class Expansion:
    """The values of the names that were read so far, and what was done in the current value."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._left = _PUT_MOST_CHARACTERS
        self._put: dict[str, None] = {}
        self._has_kept = False

    def expand(self, written: str, unescaped: Callable[[str], str]) -> str:
        """Return a value as it is meant. `unescaped` returns what a backslash and a character stand for. Raises
        `TooLarge`.
        """
        return _PIECE.sub(lambda piece: self._meant(piece, unescaped), written)

    def learn(self, name: str, value: str) -> Iterator[str]:
        """Note the value of a name. Yield what was done in this value, as warnings."""
        if self._put:
            replaced = "is replaced by its value" if len(self._put) == 1 else "are replaced by their values"
            yield f"In {shown(name)}, {', '.join(f'${put}' for put in self._put)} {replaced}."
        if self._has_kept:
            yield f"{shown(name)} contains $ and a name that has no value before it in the file. It is stored as it is."
        self._known[name] = value
        self._put, self._has_kept = {}, False

    def _meant(self, piece: re.Match[str], unescaped: Callable[[str], str]) -> str:
        if piece["escape"] is not None:
            return unescaped(piece["escape"])
        name = piece["bare"] or piece["name"]
        found = self._known.get(name) if name else None
        if piece["default"] is not None and (found is None or (not found and piece["sign"] == ":-")):
            found = piece["default"]
        if found is None:
            self._has_kept = True
            return piece[0]
        self._left -= len(found)
        if self._left < 0:
            raise TooLarge("With its variables expanded, this file is larger than an environment can be.", path="text")
        self._put[name] = None
        return found
