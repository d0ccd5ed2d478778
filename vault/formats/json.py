"""JSON: one object, `{"NAME": "value"}`.

A string is taken as it is. Null states no value. Any other value is kept as its JSON text, digit for digit (`1.10` is
`1.10`), with a warning. A repeated name is refused, because JSON does not say what it means. Answers and exports of
other stores are known too: see `wrappers.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import NoReturn

from vault.errors import BadJson, FormatError, TooLarge
from vault.formats.base import BYTE_ORDER_MARK, UNNAMED, Collector, ParsedFile, Rendered, Source, json_refusal, writable
from vault.formats.wrappers import unwrapped
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
    reads_references = False
    writes_values = True

    def parse(self, text: str) -> ParsedFile:
        """Parse one object. Raises `FormatError` for anything else, and for a repeated name."""
        collector = Collector()
        _check_size(text)
        text = text.removeprefix(BYTE_ORDER_MARK)
        wrapped = unwrapped(text)
        if wrapped is not None:
            collector.warnings.append(f"This is {wrapped.what}. Its variables are imported.")
            for number, (key, content) in enumerate(wrapped.variables, 1):
                if content is None:
                    collector.state_null(key, f"entry {number}")
                else:
                    collector.add_once(key, content, f"entry {number}")
            for key in wrapped.unstated:
                collector.leave_unstated(key)
            return collector.finish()
        for name, value, written, line in _members(text):
            if value is None:
                collector.state_null(name, f"line {line}")
                continue
            if not isinstance(value, str):
                collector.warnings.append(f"{shown(name)} is not a string. Its JSON text is used as the value.")
            collector.add_once(name, value if isinstance(value, str) else written, f"line {line}")
        return collector.finish()

    def render(self, variables: Sequence[Variable], source: Source = UNNAMED) -> Rendered:
        """Write one object, indented by two spaces, without escapes for characters beyond ASCII."""
        warnings: list[str] = []
        values = {variable.name: variable.text for variable in writable(variables, warnings)}
        return Rendered(json.dumps(values, ensure_ascii=False, indent=2) + "\n", tuple(warnings))


def _check_size(text: str) -> None:
    try:
        json_scan.check(text.encode(errors="surrogatepass"), FILE_ITEMS_MOST)
    except (BadJson, TooLarge) as error:
        raise json_refusal(error) from None


def _members(text: str) -> Iterator[tuple[str, Json, str, int]]:
    """Yield each member as (name, value, the value's text, line). `json` parses the values. Only the outermost object
    is parsed here, to count lines, to keep numbers as written, and to find repeated names.
    """
    position = _expect(text, _skip(text, 0), "{", "this must be a JSON object")
    if text[position : position + 1] == "}":
        return _finish(text, position + 1)
    line, counted = 1, 0
    while True:
        # Count only the new lines. Counting from the start each time would take quadratic time.
        line, counted = line + text.count("\n", counted, position), position
        name, position = _decode(text, position)
        if not isinstance(name, str):
            raise _error(text, counted, "a name in double quotes must be here")
        position = _expect(text, _skip(text, position), ":", "a colon must be here")
        value, end = _decode(text, position)
        yield name, value, text[position:end], line
        position = _skip(text, end)
        if text[position : position + 1] == "}":
            return _finish(text, position + 1)
        position = _expect(text, position, ",", "a comma or the closing brace must be here")


def _decode(text: str, position: int) -> tuple[Json, int]:
    try:
        return _DECODER.raw_decode(text, position)
    except json.JSONDecodeError as error:
        # Do not pass on the decoder's message: it may quote a character of a value.
        raise _error(text, max(error.pos, position), "this is not JSON") from None


def _refuse(_text: str) -> NoReturn:
    raise json.JSONDecodeError("NaN and Infinity are not JSON", "", 0)


# Do not convert numbers: only their text is kept, and converting a huge one takes long.
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
        raise _error(text, position, "there is more text after the closing brace")


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _error(text: str, position: int, sentence: str) -> FormatError:
    column = position - text.rfind("\n", 0, position)
    return FormatError(f"Line {_line(text, position)}, column {column}: {sentence}.")
