"""What every format offers, what it answers, and the checks that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypedDict

from vault.errors import BadJson, FormatError, InvalidInput, TooLarge
from vault.model.environment import VARIABLES_MOST, EnvironmentKind, Variable, VariableType, check_variable_name
from vault.model.printable import shown
from vault.model.strict_json import is_encodable

BYTE_ORDER_MARK = "\ufeff"
"""Windows editors put it first; it belongs to the encoding and not to the first name."""

_TOLD_MOST = 5


@dataclass(frozen=True, slots=True)
class Source:
    """Where variables come from, for the formats that write it down: an environment's id and name, or globals."""

    name: str = "environment"
    kind: EnvironmentKind = EnvironmentKind.ENVIRONMENT
    id: str = ""


UNNAMED = Source()


class Stated(TypedDict, total=False):
    """What a file states of one variable: the attributes of `Variable` by their names."""

    value: str
    type: VariableType
    enabled: bool
    description: str


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """What a text held, in its order, and a sentence for each thing that its author may not have meant.

    `stated` has for each name the attributes of `Variable` that the file gave it, and no others: whoever merges
    the file into variables that exist keeps theirs for the rest.
    """

    stated: Mapping[str, Stated] = field(repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables that the file makes where there are none yet."""
        return tuple(replace(Variable(name, ""), **attributes) for name, attributes in self.stated.items())


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text full of values, hence hidden in `repr`, and a sentence for each thing that it cannot carry."""

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
    def ends(self) -> tuple[str, ...]:
        """The ends of file names that tell this format; none for one that is chosen by name alone."""

    @property
    def can_parse(self) -> bool:
        """Whether this format can be read as well as written."""

    @property
    def keeps_disabled(self) -> bool:
        """Whether a disabled variable can be written as what it is. Others leave it out with a warning."""

    def parse(self, text: str) -> ParsedFile:
        """Read `text`. Raises `FormatError`, which says where and never quotes a value, and `TooLarge` where it has
        more variables than any environment."""

    def render(self, variables: Sequence[Variable], source: Source = ...) -> Rendered:
        """Write `variables`, in order; what cannot be written is named in `warnings`."""


class Collector:
    """Gathers variables while a text is read: the last of two equal names wins, and a warning says so.

    A place is how a person finds it again, as `line 3`.
    """

    def __init__(self) -> None:
        self._places: dict[str, str] = {}
        self._stated: dict[str, Stated] = {}
        self._count = 0
        self.warnings: list[str] = []

    def add(self, name: str, value: str, place: str) -> None:
        """Take a name and its value: what stands in a file of such lines is enabled. Raises `FormatError`."""
        self.state(name, {"value": value, "enabled": True}, place)

    def state(self, name: str, attributes: Stated, place: str) -> None:
        """Take what a file states of one variable. Raises `FormatError` if it could never be stored, `TooLarge`."""
        name = checked_name(name, place)
        self._count += 1
        if self._count > VARIABLES_MOST:
            raise too_many()
        texts = {"value": attributes.get("value", ""), "description": attributes.get("description", "")}
        for what, text in texts.items():
            if not is_encodable(text):
                raise error_at(place, f"the {what} of {shown(name)} holds half a surrogate pair, which is not text")
        if name in self._places:
            self.warnings.append(f"{shown(name)} stands on {self._places[name]} and again on {place}; the last wins.")
        self._places[name] = place
        self._stated[name] = attributes

    def add_once(self, name: str, value: str, place: str) -> None:
        """As `add`, for formats that give a name that stands twice no meaning."""
        known = self._places.get(checked_name(name, place))
        if known is not None:
            raise error_at(place, f"{shown(name)} stands here again; it is on {known} already")
        self.add(name, value, place)

    def finish(self) -> ParsedFile:
        """All that was taken, in the order of first appearance."""
        return ParsedFile(self._stated, tuple(self.warnings))


def too_many() -> TooLarge:
    """What to raise as soon as a text has more variables than can be stored, one name over and over included.

    Each costs work and perhaps a warning: a megabyte holds 700,000 of them, which kept a server busy for 20 s.
    """
    return TooLarge(f"An environment holds at most {VARIABLES_MOST} variables.", path="text")


def error_at(place: str, sentence: str) -> FormatError:
    """`Line 3: this is not NAME=value.` from a place and what is wrong there."""
    return FormatError(f"{place[0].upper()}{place[1:]}: {sentence}.")


def checked_name(name: str, place: str) -> str:
    """`name` in NFC, or `FormatError` with its place."""
    try:
        return check_variable_name(name)
    except InvalidInput as error:
        raise error_at(place, error.message.removesuffix(".")) from error


def writable(variables: Iterable[Variable], warnings: list[str], *, keeps_disabled: bool = False) -> Iterable[Variable]:
    """The variables that any text could carry; the others are named in `warnings`."""
    for variable in variables:
        if not variable.enabled and not keeps_disabled:
            warnings.append(left_out(variable, "it is disabled"))
        elif not is_encodable(variable.name + variable.text + variable.description):
            warnings.append(left_out(variable, "it holds half a surrogate pair, which is not text"))
        else:
            yield variable


def lines(
    variables: Iterable[Variable], obstacle: Callable[[Variable], str], line: Callable[[Variable], str]
) -> Rendered:
    """What `line` makes of each variable, one behind the other. Those that meet an `obstacle`, which says why the
    format cannot carry them, are left out with a warning."""
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
    """The warning for a variable that a text does not carry."""
    return f"{shown(variable.name)} is left out: {cause}."


def refuse(warnings: Sequence[str]) -> None:
    """What a strict export does: raise `FormatError` where there is anything to warn of."""
    if warnings:
        more = len(warnings) - _TOLD_MOST
        told = " ".join(warnings[:_TOLD_MOST]) + (f" There are {more} more." if more > 0 else "")
        raise FormatError(f"Nothing is exported, because strict was asked for. {told}")


def json_refusal(error: BadJson | TooLarge) -> InvalidInput:
    """What a reader of a JSON file raises where `model/json_scan.py` refuses the text: too large stays too large."""
    kind = TooLarge if isinstance(error, TooLarge) else FormatError
    return kind(error.message.replace("The body", "The file"))
