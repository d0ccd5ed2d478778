"""The interface of a format, its results, and the checks that all formats share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol, TypedDict, runtime_checkable

from vault.errors import BadJson, FormatError, InvalidInput, TooLarge
from vault.formats.doubts import doubts
from vault.model.environment import VARIABLES_MOST, EnvironmentKind, Variable, VariableType, check_variable_name
from vault.model.names import check_visible
from vault.model.printable import shown
from vault.model.strict_json import is_encodable

BYTE_ORDER_MARK = "\ufeff"
"""The byte order mark. Windows editors write it first. It is not a part of the first name."""

_TOLD_MOST = 5


@dataclass(frozen=True, slots=True)
class Source:
    """Where variables come from: an environment's id and name, or the globals. Some formats write this down."""

    name: str = "environment"
    kind: EnvironmentKind = EnvironmentKind.ENVIRONMENT
    id: str = ""


UNNAMED = Source()


class Stated(TypedDict, total=False):
    """What a file states of one variable: the attributes of `Variable` by their names."""

    value: str
    type: VariableType
    enabled: bool
    literal: bool
    description: str


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """The variables of a text, in its order, with a warning for everything that the author may not have intended.

    `stated` has for each name only the attributes of `Variable` that the file gave. A merge into existing variables
    keeps their other attributes. `unstated` are names without a value in a file that has such entries for things that
    were never filled in. They make no variable and remove none.
    """

    stated: Mapping[str, Stated] = field(repr=False)
    warnings: tuple[str, ...] = ()
    unstated: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Return the variables that the file makes if none exist yet."""
        return tuple(replace(Variable(name, ""), **attributes) for name, attributes in self.stated.items())


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text, hidden in `repr` because it contains values, and a warning for each thing that it cannot carry."""

    text: str = field(repr=False)
    warnings: tuple[str, ...] = ()


class Format(Protocol):
    """A file format. `media_type` is for HTTP, `suffix` is for file names and includes the dot."""

    @property
    def name(self) -> str:
        """The name that selects the format, for example `dotenv`."""

    @property
    def media_type(self) -> str:
        """The media type of the rendered text, for example `application/json`."""

    @property
    def suffix(self) -> str:
        """The usual suffix of a file name, for example `.env`."""

    @property
    def ends(self) -> tuple[str, ...]:
        """The suffixes that identify this format. It is empty if the format must be chosen by name."""

    @property
    def can_parse(self) -> bool:
        """Whether this format can be read."""

    @property
    def keeps_disabled(self) -> bool:
        """Whether a disabled variable can be written as disabled. Other formats leave it out with a warning."""

    @property
    def reads_references(self) -> bool:
        """Whether the programs that read this format resolve `{{references}}` as we do. Otherwise an export warns."""

    @property
    def writes_values(self) -> bool:
        """Whether the rendered text has the values. A template has only the names."""

    def parse(self, text: str) -> ParsedFile:
        """Parse `text`. Raises `TooLarge` if it has more variables than an environment can have, and `FormatError`,
        which names the line but never quotes a value.
        """

    def render(self, variables: Sequence[Variable], source: Source = ...) -> Rendered:
        """Write `variables` in order. `warnings` names what could not be written."""


@runtime_checkable
class Picking(Protocol):
    """A format whose files can hold several environments, of which an import takes one."""

    def parse_one(self, text: str, pick: str) -> ParsedFile:
        """Parse the environment with the name or id `pick`. If `pick` is empty, there must be only one. Raises
        `FormatError`, which names the environments of the file.
        """


@runtime_checkable
class Expanding(Protocol):
    """A format whose readers put the values of variables into other values."""

    def parse_expanded(self, text: str) -> ParsedFile:
        """Parse `text` with its variables expanded, with a warning for each value. Raises what `parse` raises."""


class Collector:
    """Collects variables while a text is parsed. If a name is repeated, the last one is used, with a warning.

    A place tells a person where to look, for example `line 3`.
    """

    def __init__(self) -> None:
        self._places: dict[str, str] = {}
        self._stated: dict[str, Stated] = {}
        self._unstated: list[str] = []
        self._count = 0
        self.warnings: list[str] = []

    def add(self, name: str, value: str, place: str) -> None:
        """Add a name and its value from a line. The variable is enabled. Raises `FormatError`."""
        self.state(name, {"value": value, "enabled": True}, place)

    def state(self, name: str, attributes: Stated, place: str) -> None:
        """Add what a file states of one variable. Raises `FormatError` if it could never be stored, and `TooLarge`."""
        name = checked_name(name, place)
        self._count += 1
        if self._count > VARIABLES_MOST:
            raise too_many()
        texts = {"value": attributes.get("value", ""), "description": attributes.get("description", "")}
        for what, text in texts.items():
            if not is_encodable(text):
                raise error_at(
                    place, f"the {what} of {shown(name)} contains half of a surrogate pair, which is not valid text"
                )
        if name in self._places:
            self.warnings.append(
                f"{shown(name)} is on {self._places[name]} and again on {place}. The last one is used."
            )
        self._places[name] = place
        self._stated[name] = attributes
        self.warnings.extend(doubts(name, attributes.get("value", "")))

    def state_null(self, name: str, place: str) -> None:
        """Add a name without a value: null states nothing, so a stored value does not change."""
        self.warnings.append(no_value(name))
        self.state(name, {"enabled": True}, place)

    def leave_unstated(self, name: str) -> None:
        """Add a name that makes no variable, but whose stored variable must not be removed."""
        # Names that cannot be stored match none.
        with suppress(InvalidInput):
            self._unstated.append(check_variable_name(name))

    def add_once(self, name: str, value: str, place: str) -> None:
        """Do the same as `add`, but refuse a repeated name."""
        known = self._places.get(checked_name(name, place))
        if known is not None:
            raise error_at(place, f"{shown(name)} is repeated here; the first one is on {known}")
        self.add(name, value, place)

    def finish(self) -> ParsedFile:
        """Return what was collected, in the order of first appearance."""
        unstated = tuple(name for name in dict.fromkeys(self._unstated) if name not in self._stated)
        return ParsedFile(self._stated, tuple(self.warnings), unstated)


def too_many() -> TooLarge:
    """Return the error for a text with more variables than an environment can have. Repeated names count too.

    Each of them costs work and perhaps a warning. A megabyte can have 700,000, which kept a server busy for 20 s.
    """
    return TooLarge(f"An environment can have at most {VARIABLES_MOST} variables.", path="text")


def no_value(name: str) -> str:
    """Return the warning for a name without a value."""
    return f"{shown(name)} has no value in this file. A stored value does not change."


def error_at(place: str, sentence: str) -> FormatError:
    """Return an error that starts with the place, for example `Line 3: this is not NAME=value.`"""
    return FormatError(f"{place[0].upper()}{place[1:]}: {sentence}.")


def checked_name(name: str, place: str) -> str:
    """Return `name` in NFC. Raises `FormatError` with the place, also for a name with an invisible character."""
    try:
        return check_visible(check_variable_name(name))
    except InvalidInput as error:
        raise error_at(place, error.message.removesuffix(".")) from error


def writable(variables: Iterable[Variable], warnings: list[str], *, keeps_disabled: bool = False) -> Iterable[Variable]:
    """Yield the variables that a text can carry. Add a warning for each of the others."""
    for variable in variables:
        if not variable.enabled and not keeps_disabled:
            warnings.append(left_out(variable, "it is disabled"))
        elif not is_encodable(variable.name + variable.text + variable.description):
            warnings.append(left_out(variable, "it contains half of a surrogate pair, which is not valid text"))
        else:
            yield variable


def lines(
    variables: Iterable[Variable], obstacle: Callable[[Variable], str], line: Callable[[Variable], str]
) -> Rendered:
    """Join what `line` returns for each variable. `obstacle` says why the format cannot carry a variable; such a
    variable is left out with a warning.
    """
    warnings: list[str] = []
    text = []
    for variable in writable(variables, warnings):
        cause = obstacle(variable)
        if cause:
            warnings.append(left_out(variable, cause))
        else:
            text.append(line(variable))
    return Rendered("".join(text), tuple(warnings))


def left_out(variable: Variable, cause: str) -> str:
    """Return the warning for a variable that was left out."""
    return f"{shown(variable.name)} is left out: {cause}."


def refuse(warnings: Sequence[str]) -> None:
    """Raise `FormatError` if there is any warning. A strict export calls this."""
    if warnings:
        more = len(warnings) - _TOLD_MOST
        told = " ".join(warnings[:_TOLD_MOST]) + (f" There are {more} more." if more > 0 else "")
        raise FormatError(f"Nothing was exported, because the export is strict. {told}")


def json_refusal(error: BadJson | TooLarge) -> InvalidInput:
    """Return the error for a JSON file that `model/json_scan.py` refuses. A text that is too large remains a
    `TooLarge`.
    """
    kind = TooLarge if isinstance(error, TooLarge) else FormatError
    return kind(error.message.replace("The body", "The file"))
