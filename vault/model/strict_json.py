"""Strict JSON for requests, and JSON that is written back exactly as it was read.

It accepts RFC 8259 in UTF-8, without NaN, duplicate names, half surrogate pairs, or more items and levels than allowed.
A number that Python would write differently (`1e5`, `0.10`, `-0`) is kept as text, because another program may see a
difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeAlias, TypeVar

from vault.errors import BadJson, InvalidInput
from vault.model import json_scan
from vault.model.json_types import Json

_NAME_TOLD_CHARACTERS = 256

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Number:
    """A number that Python would write differently, kept as its text."""

    text: str


WrittenJson: TypeAlias = "str | int | float | bool | Number | Sequence[WrittenJson] | Mapping[str, WrittenJson] | None"
"""Any JSON value whose numbers may be kept as their text."""

# Half a surrogate pair is refused in input, so it can mark the position of a number.
_PLACE = re.compile('"\ud800([0-9]+)"')
_HALF = re.compile("[\ud800-\udfff]")
_HALF_ESCAPED = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)
"""An escaped high surrogate that no low one follows, or a low one that follows no high one."""


def parse_json(body: bytes, items_most: int) -> Json:
    """Return the value in `body`, with Python's numbers.

    Raises `TooLarge` for more than `items_most` items, `BadJson`, and `InvalidInput` for half a surrogate pair.
    """
    return _parsed(body, items_most, _PLAIN)


def parse_written(body: bytes, items_most: int) -> WrittenJson:
    """Like `parse_json`, but every number keeps its text."""
    return _parsed(body, items_most, _WRITTEN)


def loads(text: str) -> WrittenJson:
    """Undo `dumps`."""
    return _TRUSTED(text)


def dumps(document: WrittenJson) -> str:
    """Return JSON without spaces, with the original text of numbers."""
    try:
        return _COMPACT(document)
    except TypeError:
        # The document has a `Number`, which is rare.
        return _with_numbers(document)


def _with_numbers(document: WrittenJson) -> str:
    numbers: list[str] = []

    def place(item: object) -> str:
        if not isinstance(item, Number):
            raise TypeError(f"{type(item).__name__} has no form in JSON.")
        numbers.append(item.text)
        return f"\ud800{len(numbers) - 1}"

    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=place)
    return _PLACE.sub(lambda match: numbers[int(match[1])], text)


def is_encodable(text: str) -> bool:
    """Report whether UTF-8 can encode `text`. It cannot encode lone surrogates, which a `str` may contain."""
    return _HALF.search(text) is None


def _refuse_half_surrogates(item: object, step: _Step) -> None:
    """Raise `InvalidInput` for half a surrogate pair, with the path of the text."""
    if isinstance(item, str) and not is_encodable(item):
        raise InvalidInput("Half a surrogate pair is not valid text.", path=step.path)
    if isinstance(item, dict):
        for name, inner in item.items():
            below = _Step(step, name)
            _refuse_half_surrogates(name, below)
            _refuse_half_surrogates(inner, below)
    elif isinstance(item, list):
        for position, inner in enumerate(item):
            _refuse_half_surrogates(inner, _Step(step, position))


@dataclass(frozen=True, slots=True)
class _Step:
    """One step into a document. The path is built only for an error: one long name may have many items below it."""

    above: _Step | None
    name: str | int

    @property
    def path(self) -> str:
        """The path from the document to here. Each name is shortened for reading."""
        steps: list[str] = []
        step: _Step | None = self
        while step is not None and step.above is not None:
            steps.append(str(step.name)[:_NAME_TOLD_CHARACTERS])
            step = step.above
        return ".".join(reversed(steps))


def _parsed(body: bytes, items_most: int, decode: Callable[[str], T]) -> T:
    json_scan.check(body, items_most)
    try:
        document = decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadJson("The body is not UTF-8.") from error
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at").removesuffix(" starting")
        raise BadJson(f"The body is not valid JSON: {what}, at line {error.lineno}, column {error.colno}.") from error
    except ValueError as error:
        # Python refuses numbers of more than 4,300 digits.
        raise BadJson("The body has a number that is too long.") from error
    # UTF-8 cannot contain half a pair, so search only for escapes.
    if _HALF_ESCAPED.search(body):
        _refuse_half_surrogates(document, _Step(None, ""))
    return document


def _object(pairs: list[tuple[str, WrittenJson]]) -> dict[str, WrittenJson]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadJson("The body has an object with the same name twice.")
    return found


def _no_constant(name: str) -> NoReturn:
    raise BadJson(f"The body contains {name}, which is not valid JSON.")


def _as_written(kind: Callable[[str], float]) -> Callable[[str], float | Number]:
    def read(text: str) -> float | Number:
        number = kind(text)
        return number if repr(number) == text else Number(text)

    return read


_WHOLE, _BROKEN = _as_written(int), _as_written(float)
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_PLAIN: Callable[[str], Json] = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant).decode
_WRITTEN: Callable[[str], WrittenJson] = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_no_constant, parse_int=_WHOLE, parse_float=_BROKEN
).decode
_TRUSTED: Callable[[str], WrittenJson] = json.JSONDecoder(parse_int=_WHOLE, parse_float=_BROKEN).decode
