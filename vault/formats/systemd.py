r"""systemd's `EnvironmentFile=`: `NAME="value"` lines with systemd's own quoting (systemd.exec(5), `env-file.c`).

In double quotes, a backslash escapes `"`, `\`, `$` and a backtick, and is literal before other characters. Line feeds
are literal, and nothing is expanded. Only this form is written. All of systemd's syntax can be read:

    NAME=a 'b'        quotes in the middle are literal, and so is `#`
    NAME='a' "b"      quoted parts at the start are joined: ab
    NAME=a\           a backslash at the end of a line joins the next line
    b

systemd skips lines that it does not understand; we refuse them. We also refuse a comment that ends in a backslash: up
to systemd 254 it continued on the next line, and since then it does not.
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
# An unquoted value, or the rest after quoted parts. A backslash can continue it on the next line.
_BARE = re.compile(r"[ \t]*+((?!['\"])(?:[^\\\r\n]++|\\(?:.|\Z))*+)(?=[\r\n]|\Z)", re.DOTALL)
_ESCAPE_IN_DOUBLE_QUOTES = re.compile(r'\\(["\\`$\n])')
_BARE_PIECE = re.compile(r"\\([^\r\n])|\\[\r\n]?|([^\\]++)")
# Escape the backslash first, because the other escapes start with one.
_ESCAPED = ("\\", '"', "`", "$")
# The 66 noncharacters of Unicode. systemd's `utf8_is_valid` refuses them.
_NONCHARACTER = re.compile(
    "[\ufdd0-\ufdef" + "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF)) + "]"
)


class SystemdFormat:
    """`NAME="value"` lines; see the top of this file."""

    name = "systemd"
    media_type = "text/plain"
    suffix = ".conf"
    ends = ()
    """Empty, because many programs have files that end in `.conf`."""

    can_parse = True
    keeps_disabled = False
    reads_references = False
    writes_values = True

    def parse(self, text: str) -> ParsedFile:
        """Parse `text` as systemd does, but refuse what it would skip."""
        collector = Collector()
        for name, value, line in _statements(text.removeprefix(BYTE_ORDER_MARK)):
            if not _NAME.fullmatch(name):
                raise error_at(f"line {line}", "systemd does not accept this name. Use only letters, digits and '_'")
            collector.add(name, value, f"line {line}")
        return collector.finish()

    def render(self, variables: Sequence[Variable], source: Source = UNNAMED) -> Rendered:
        """Write one line for each variable, or more if a value has line feeds. What systemd refuses is left out with a
        warning.
        """
        return lines(variables, _obstacle, _line)


def _statements(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield each statement as (name, value, number of the first line)."""
    position = _end(_BLANK_OR_COMMENT, text, 0)
    line, counted = 1, 0
    while position < len(text):
        # Count only the new lines. Counting from the start each time would take quadratic time.
        line, counted = line + text.count("\n", counted, position), position
        key = _KEY.match(text, position)
        if key is None:
            raise error_at(f"line {line}", "this is not NAME=value, or it is a comment that ends in a backslash")
        value, end = _value(text, key.end())
        if end is None:
            raise error_at(f"line {line}", "this value has no end. Look for a missing quote")
        yield key[1].strip(" \t"), value, line
        position = _end(_BLANK_OR_COMMENT, text, end)


def _value(text: str, position: int) -> tuple[str, int | None]:
    """Return the value that starts at `position`, and where it ends, or None if it has no end."""
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
    """Remove escaping backslashes, and blanks at the end that are not escaped."""
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
        return "its value contains a NUL character, which no environment variable can contain"
    if _NONCHARACTER.search(variable.text):
        return "its value contains a Unicode noncharacter, for which systemd refuses the whole file"
    return ""
