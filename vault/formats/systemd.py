"""systemd's `EnvironmentFile=`: `NAME="value"` lines with quoting of its own (systemd.exec(5), `env-file.c`).

Within double quotes a backslash escapes `"`, `\\`, `$` and a backtick, and stands for itself before anything else;
line feeds are literal. Nothing is expanded. We write that form alone. What is read is the whole of systemd's syntax:

    NAME=a 'b'        quotes in the middle mean themselves, and so does `#`
    NAME='a' "b"      quoted pieces at the start are joined: ab
    NAME=a\\            a backslash at a line's end joins the next line
    b

systemd drops lines that it does not understand; we refuse them. A comment that ends in a backslash is refused too:
until systemd 254 it went on in the next line, and since then it does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vault.formats.base import BYTE_ORDER_MARK, UNNAMED, Collector, ParsedFile, Rendered, Source, error_at, lines
from vault.model.environment import Variable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BLANK_OR_COMMENT = re.compile(r"[ \t\r\n]*+(?:[#;](?:[^\\\r\n]++|\\(?:[^\r\n]|\Z))*+[ \t\r\n]*+)*+")
_KEY = re.compile(r"([^=\r\n]*+)=")
_QUOTED = re.compile(r"""[ \t]*+(?:'([^']*+)'|"((?:[^"\\]++|\\.)*+)")""", re.DOTALL)
# After quoted pieces, or at once: the rest of the line, with backslashes that may reach over its end.
_BARE = re.compile(r"[ \t]*+((?!['\"])(?:[^\\\r\n]++|\\(?:.|\Z))*+)(?=[\r\n]|\Z)", re.DOTALL)
_ESCAPE_IN_DOUBLE_QUOTES = re.compile(r'\\(["\\`$\n])')
_BARE_PIECE = re.compile(r"\\([^\r\n])|\\[\r\n]?|([^\\]++)")
# The backslash comes first: the escapes begin with one.
_ESCAPED = ("\\", '"', "`", "$")
# The 66 code points that Unicode keeps free, which systemd's `utf8_is_valid` refuses.
_NONCHARACTER = re.compile(
    "[\ufdd0-\ufdef" + "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF)) + "]"
)


class SystemdFormat:
    """`NAME="value"` lines; see the top of this file."""

    name = "systemd"
    media_type = "text/plain"
    suffix = ".conf"
    ends = ()
    """Files of many programs end in `.conf`."""

    can_parse = True
    keeps_disabled = False

    def parse(self, text: str) -> ParsedFile:
        """Read `text` as systemd does, but refuse what it would drop."""
        collector = Collector()
        for name, value, line in _statements(text.removeprefix(BYTE_ORDER_MARK)):
            if not _NAME.fullmatch(name):
                raise error_at(f"line {line}", "systemd takes no such name: letters, digits and '_' alone")
            collector.add(name, value, f"line {line}")
        return collector.finish()

    def render(self, variables: Sequence[Variable], source: Source = UNNAMED) -> Rendered:
        """One line a variable (more where a value has line feeds); what systemd refuses is left out with a warning."""
        return lines(variables, _obstacle, _line)


def _statements(text: str) -> Iterator[tuple[str, str, int]]:
    """Each statement as (name, value, the line where it starts)."""
    position = _end(_BLANK_OR_COMMENT, text, 0)
    line, counted = 1, 0
    while position < len(text):
        # Lines are counted as we go: from the start each time would cost the square of the file's size.
        line, counted = line + text.count("\n", counted, position), position
        key = _KEY.match(text, position)
        if key is None:
            raise error_at(f"line {line}", "this is not NAME=value (and a comment must not end in a backslash)")
        value, end = _value(text, key.end())
        if end is None:
            raise error_at(f"line {line}", "this value does not end; look for a missing quote")
        yield key[1].strip(" \t"), value, line
        position = _end(_BLANK_OR_COMMENT, text, end)


def _value(text: str, position: int) -> tuple[str, int | None]:
    """The value that starts at `position`, and where it ends: None where it does not."""
    pieces = []
    while quoted := _QUOTED.match(text, position):
        single, double = quoted.groups()
        pieces.append(single if single is not None else _ESCAPE_IN_DOUBLE_QUOTES.sub(_unescaped, double))
        position = quoted.end()
    bare = _BARE.match(text, position)
    if bare is None:
        return "", None
    return "".join(pieces) + _unquoted(bare[1]), bare.end()


def _unquoted(text: str) -> str:
    """Without backslashes, and without blanks at the end, unless a backslash stands before them."""
    pieces = list(_BARE_PIECE.finditer(text))
    taken = [piece[1] or piece[2] or "" for piece in pieces]
    if pieces and pieces[-1][2]:
        taken[-1] = taken[-1].rstrip(" \t")
    return "".join(taken)


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


def _unescaped(escape: re.Match[str]) -> str:
    return "" if escape[1] == "\n" else escape[1]


def _line(variable: Variable) -> str:
    text = variable.text
    for character in _ESCAPED:
        text = text.replace(character, "\\" + character)
    return f'{variable.name}="{text}"\n'


def _obstacle(variable: Variable) -> str:
    if not _NAME.fullmatch(variable.name):
        return "systemd cannot carry this name"
    if "\0" in variable.text:
        return "its value holds a NUL character, which no process's environment can hold"
    if _NONCHARACTER.search(variable.text):
        return "its value holds a code point that is no character, for which systemd refuses the whole file"
    return ""
