"""What every format offers, what it answers, and the checks that all of them share."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vault.errors import FormatError, InvalidInput
from vault.model.environment import Variable, check_variable_name

BYTE_ORDER_MARK = "\ufeff"
"""Windows editors put it first; it belongs to the encoding and not to the first name."""


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """What a text held, in its order, and a sentence for each thing that its author may not have meant."""

    variables: tuple[Variable, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text full of values, hence hidden in `repr`, and a sentence for each variable that it leaves out."""

    text: str = field(repr=False)
    warnings: tuple[str, ...] = ()


class Format(Protocol):
    """One file format. `media_type` is for HTTP, `suffix` for a file's name, with its dot."""

    @property
    def name(self) -> str:
        """How the format is chosen, as `dotenv`."""

    @property
    def media_type(self) -> str:
        """The media type of the rendered text, as `application/json`."""

    @property
    def suffix(self) -> str:
        """The usual end of a file's name, as `.env`."""

    @property
    def can_parse(self) -> bool:
        """Whether this format can be read as well as written."""

    def parse(self, text: str) -> ParsedFile:
        """Read `text`. Raises `FormatError`, with the line's number and never a value."""

    def render(self, variables: Sequence[Variable]) -> Rendered:
        """Write the enabled ones of `variables`, in order; what cannot be written is named in `warnings`."""


class Collector:
    """Gathers variables while a text is read: the last of two equal names wins, and a warning says so."""

    def __init__(self) -> None:
        self._lines: dict[str, int] = {}
        self._variables: dict[str, Variable] = {}
        self.warnings: list[str] = []

    def add(self, name: str, value: str, line: int) -> None:
        """Take one variable, or raise `FormatError` if its name or value could never be stored."""
        name = checked_name(name, line)
        if not is_encodable(value):
            raise FormatError(f"Line {line}: the value of {name} holds half a surrogate pair, which is not text.")
        if name in self._lines:
            self.warnings.append(f"{name} stands on line {self._lines[name]} and again on line {line}; the last wins.")
        self._lines[name] = line
        self._variables[name] = Variable(name, value)

    def finish(self) -> ParsedFile:
        """All that was taken, in the order of first appearance."""
        return ParsedFile(tuple(self._variables.values()), tuple(self.warnings))


def checked_name(name: str, line: int) -> str:
    """`name` in NFC, or `FormatError` with the number of its line."""
    try:
        return check_variable_name(name)
    except InvalidInput as error:
        raise FormatError(f"Line {line}: {error.message}") from error


def is_encodable(text: str) -> bool:
    """Whether UTF-8 can carry `text`: a lone surrogate is the one thing that a `str` holds and UTF-8 does not."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def writable(variables: Iterable[Variable], warnings: list[str]) -> Iterable[Variable]:
    """The variables that any text could carry; the others are named in `warnings`."""
    for variable in variables:
        if not variable.enabled:
            warnings.append(f"{shown(variable.name)} is left out: it is disabled.")
        elif not is_encodable(variable.name + variable.text):
            warnings.append(f"{shown(variable.name)} is left out: it holds half a surrogate pair, which is not text.")
        else:
            yield variable


def shown(name: str) -> str:
    """A name as it may stand in a sentence: what would break a line or steer a terminal is escaped."""
    safe = (
        character if unicodedata.category(character)[0] != "C" else character.encode("unicode_escape").decode()
        for character in name
    )
    return "".join(safe)
