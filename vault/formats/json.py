"""JSON: one object of `{"NAME": "value"}`.

Strings are taken as they are. Any other value is kept as the JSON text that was written, digit for digit
(`1.10` stays `1.10`), with a warning. A name that stands twice is refused: JSON gives it no meaning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import NoReturn

from vault.errors import BadJson, FormatError, TooLarge
from vault.formats.base import BYTE_ORDER_MARK, UNNAMED, Collector, ParsedFile, Rendered, Source, json_refusal, writable
from vault.model import json_scan
from vault.model.budgets import FILE_ITEMS_MOST
from vault.model.environment import Variable
from vault.model.json_types import Json
from vault.model.printable import shown

_SPACE = re.compile(r"[ \t\r\n]*")


class JsonFormat:
    """One flat object; see the top of this file."""

    name = "json"
    media_type = "application/json"
    suffix = ".json"
    ends = (suffix,)
    can_parse = True
    keeps_disabled = False

    def parse(self, text: str) -> ParsedFile:
        """Read one object. Raises `FormatError` for anything else, and for a name that stands twice."""
        collector = Collector()
        _check_size(text)
        for name, value, written, line in _members(text.removeprefix(BYTE_ORDER_MARK)):
            if not isinstance(value, str):
                collector.warnings.append(f"{shown(name)} is not a string; its JSON text is taken as the value.")
            collector.add_once(name, value if isinstance(value, str) else written, f"line {line}")
        return collector.finish()

    def render(self, variables: Sequence[Variable], source: Source = UNNAMED) -> Rendered:
        """One object, two spaces deep, characters beyond ASCII as they are."""
        warnings: list[str] = []
        values = {variable.name: variable.text for variable in writable(variables, warnings)}
        return Rendered(json.dumps(values, ensure_ascii=False, indent=2) + "\n", tuple(warnings))


def _check_size(text: str) -> None:
    try:
        json_scan.check(text.encode(errors="surrogatepass"), FILE_ITEMS_MOST)
    except (BadJson, TooLarge) as error:
        raise json_refusal(error) from None


def _members(text: str) -> Iterator[tuple[str, Json, str, int]]:
    """Each member as (name, value, the value's text, line). Values are read by `json`; only the outermost object
    is walked here, which is what tells lines, keeps numbers as written, and sees a name that stands twice."""
    position = _expect(text, _skip(text, 0), "{", "a JSON object is expected")
    if text[position : position + 1] == "}":
        return _finish(text, position + 1)
    line, counted = 1, 0
    while True:
        # Lines are counted as we go: from the start each time would cost the square of the file's size.
        line, counted = line + text.count("\n", counted, position), position
        name, position = _decode(text, position)
        if not isinstance(name, str):
            raise _error(text, counted, "a name in double quotes is expected")
        position = _expect(text, _skip(text, position), ":", "a colon is expected")
        value, end = _decode(text, position)
        yield name, value, text[position:end], line
        position = _skip(text, end)
        if text[position : position + 1] == "}":
            return _finish(text, position + 1)
        position = _expect(text, position, ",", "a comma or the closing brace is expected")


def _decode(text: str, position: int) -> tuple[Json, int]:
    try:
        return _DECODER.raw_decode(text, position)
    except json.JSONDecodeError as error:
        # The decoder's own message is not passed on: it may quote a character of a value.
        raise _error(text, max(error.pos, position), "this is not JSON") from None


def _refuse(_text: str) -> NoReturn:
    raise json.JSONDecodeError("NaN and Infinity are not JSON", "", 0)


# Numbers are not converted: their text is what is kept, and a huge one must cost nothing.
_DECODER = json.JSONDecoder(parse_int=lambda _: 0, parse_float=lambda _: 0, parse_constant=_refuse)


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _expect(text: str, position: int, sign: str, sentence: str) -> int:
    if text[position : position + 1] != sign:
        raise _error(text, position, sentence)
    return _skip(text, position + 1)


def _finish(text: str, position: int) -> None:
    if _skip(text, position) != len(text):
        raise _error(text, position, "something follows the closing brace")


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _error(text: str, position: int, sentence: str) -> FormatError:
    column = position - text.rfind("\n", 0, position)
    return FormatError(f"Line {_line(text, position)}, column {column}: {sentence}.")
