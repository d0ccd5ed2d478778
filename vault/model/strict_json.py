"""Strict JSON from outside, and JSON that is written back exactly as it was read.

RFC 8259 in UTF-8, without NaN, duplicate names, half surrogate pairs, or more items and levels than allowed. A number
that Python would write differently (`1e5`, `0.10`, `-0`) is kept as text, because another program may tell them apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from vault.errors import BadJson, InvalidInput
from vault.model import json_scan

_NAME_TOLD_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class Number:
    """A number whose text Python would not write again as it was."""

    text: str


# Half a surrogate pair is in no text that was taken, so it can mark the place of a number.
_PLACE = re.compile('"\ud800([0-9]+)"')
_HALF = re.compile("[\ud800-\udfff]")
_HALF_ESCAPED = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)
"""An escaped high surrogate without a low one after it, or a low one without a high one before it."""


def parse_json(body: bytes, items_most: int) -> Any:
    """The value in `body`, with Python's numbers.

    Raises `TooLarge` for more than `items_most` items, `BadJson`, and `InvalidInput` for half a surrogate pair.
    """
    return _parsed(body, items_most, _PLAIN)


def parse_written(body: bytes, items_most: int) -> Any:
    """Like `parse_json`, but every number stays as it was written."""
    return _parsed(body, items_most, _WRITTEN)


def loads(text: str) -> Any:
    """The inverse of `dumps`."""
    return _TRUSTED.decode(text)


def dumps(document: Any) -> str:
    """JSON without spaces, numbers as they were written."""
    try:
        return _COMPACT(document)
    except TypeError:
        # There are such numbers, which is rare.
        return _with_numbers(document)


def _with_numbers(document: Any) -> str:
    numbers: list[str] = []

    def place(item: Any) -> str:
        if not isinstance(item, Number):
            raise TypeError(f"{type(item).__name__} is no JSON.")
        numbers.append(item.text)
        return f"\ud800{len(numbers) - 1}"

    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=place)
    return _PLACE.sub(lambda match: numbers[int(match[1])], text)


def is_encodable(text: str) -> bool:
    """Whether UTF-8 can carry `text`: a lone surrogate is the one thing that a `str` holds and UTF-8 does not."""
    return _HALF.search(text) is None


def _refuse_half_surrogates(item: Any, step: _Step) -> None:
    """Raise `InvalidInput` for half a surrogate pair, with the path of the text."""
    if isinstance(item, str) and not is_encodable(item):
        raise InvalidInput("Half a surrogate pair is not text.", path=step.path)
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
    """One step into a document. The path is put together only when it is told: a long name stands over many items."""

    above: _Step | None
    name: str | int

    @property
    def path(self) -> str:
        """The way from the document to here; each name cut to what a person can read."""
        steps: list[str] = []
        step: _Step | None = self
        while step is not None and step.above is not None:
            steps.append(str(step.name)[:_NAME_TOLD_CHARACTERS])
            step = step.above
        return ".".join(reversed(steps))


def _parsed(body: bytes, items_most: int, decoder: json.JSONDecoder) -> Any:
    json_scan.check(body, items_most)
    try:
        document = decoder.decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadJson("The body is not UTF-8.") from error
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at").removesuffix(" starting")
        raise BadJson(f"The body is no JSON: {what}, at line {error.lineno}, column {error.colno}.") from error
    except ValueError as error:
        # Python refuses numbers of more than 4,300 digits.
        raise BadJson("The body has a number that is too long.") from error
    # UTF-8 cannot hold half a pair, so look only for escapes.
    if _HALF_ESCAPED.search(body):
        _refuse_half_surrogates(document, _Step(None, ""))
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadJson("The body has an object in which a name stands twice.")
    return found


def _no_constant(name: str) -> NoReturn:
    raise BadJson(f"The body holds {name}, which is no JSON.")


def _as_written(kind: Callable[[str], float]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        number = kind(text)
        return number if repr(number) == text else Number(text)

    return read


_NUMBERS: dict[str, Any] = {"parse_int": _as_written(int), "parse_float": _as_written(float)}
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_PLAIN = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)
_WRITTEN = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant, **_NUMBERS)
_TRUSTED = json.JSONDecoder(**_NUMBERS)
