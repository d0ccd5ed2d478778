"""dotenv (`.env`): `NAME=value` lines, as python-dotenv reads them without interpolation.

We have our own parser because python-dotenv 1.2 takes quadratic time for a line of spaces: a line of 1 MiB would keep a
server busy for half an hour. A property test checks that both parsers agree. A value is written in the simplest of
three forms that can carry it:

    NAME=plain               letters, digits and a few signs
    NAME='with $ and "'      no quote, backslash or carriage return: literal in every dotenv reader that we know
    NAME="it's \r\n"         everything else, with escapes

A raw carriage return is never written, because a file that is opened in text mode turns it into a line feed.

Between double quotes, some readers expand `$NAME`, and a shell or Ruby's dotenv runs `$(command)`. If a value has such
a sign and also needs escapes, no form protects it. It is written, with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from vault.formats.base import BYTE_ORDER_MARK, UNNAMED, Collector, ParsedFile, Rendered, Source, error_at, lines
from vault.model.environment import Variable
from vault.model.printable import shown
from vault.model.strict_json import is_encodable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,-]*")
# Escape the backslash first, because the other escapes start with one.
_ESCAPES = (("\\", "\\\\"), ('"', '\\"'), ("\r", "\\r"), ("\n", "\\n"))
_NEEDS_ESCAPES = re.compile(r"['\\\r]")
_EXPANDED = re.compile(r"[$`]")

_EXPOSED = (
    "contains $ or ` and also a quote, a backslash or a carriage return. A shell that reads the file may run a part of "
    "it, and readers that expand variables may change it. Export as shell, or read the file without interpolation."
)

_BLANK = re.compile(r"\s*")
_LINE_END = re.compile(r"\r\n|\n|\r")

# One statement, from its first character to the end of its last line. The possessive quantifiers keep it linear.
_STATEMENT = re.compile(
    r"""
    (?:export[^\S\r\n]++)?+
    (?:
        (?=\#)
        |
        (?:'(?P<quoted_name>[^']++)'|(?P<name>(?!')[^=\#\s]++))
        [^\S\r\n]*+
        (?P<assignment>
            =[^\S\r\n]*+
            (?:
                (?<=[^\S\r\n])(?=\#)
                | '(?P<single>(?:\\.|[^'\\])*+)'
                | "(?P<double>(?:\\.|[^"\\])*+)"
                | (?!['"])(?P<bare>[^\r\n]*+)
            )
        )?+
    )
    [^\S\r\n]*+(?:\#[^\r\n]*+)?(?:\r\n|\n|\r|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_AFTER_BARE = re.compile(r"\s#")
_SINGLE_ESCAPE = re.compile(r"\\([\\'])")
_DOUBLE_ESCAPE = re.compile(r"\\([\\'\"abfnrtv])")
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class DotenvFormat:
    """`NAME=value` lines; see the top of this file."""

    name = "dotenv"
    media_type = "text/plain"
    suffix = ".env"
    ends = (suffix,)
    can_parse = True
    keeps_disabled = False

    def parse(self, text: str) -> ParsedFile:
        """Parse `text` as python-dotenv does with `interpolate=False`, but refuse what it would skip."""
        collector = Collector()
        for statement, line in _statements(text.removeprefix(BYTE_ORDER_MARK)):
            name = statement["quoted_name"] or statement["name"]
            if name is None:
                continue
            if statement["assignment"] is None:
                raise error_at(f"line {line}", "this name has no '=' and no value")
            collector.add(name, _value(statement), f"line {line}")
        return collector.finish()

    def render(self, variables: Sequence[Variable], source: Source = UNNAMED) -> Rendered:
        """Write one line for each variable, or more if a value has line feeds. Unfit names are left out with a
        warning.
        """
        rendered = lines(variables, obstacle, lambda variable: f"{variable.name}={_quote(variable.text)}\n")
        exposed = [f"{shown(variable.name)} {_EXPOSED}" for variable in variables if _is_exposed(variable)]
        return replace(rendered, warnings=(*rendered.warnings, *exposed))


def _is_exposed(variable: Variable) -> bool:
    """Report whether a value is written between double quotes with a sign that some readers expand."""
    text = variable.text
    is_written = variable.enabled and is_encodable(variable.name + text) and not obstacle(variable)
    return is_written and bool(_NEEDS_ESCAPES.search(text) and _EXPANDED.search(text))


def obstacle(variable: Variable) -> str:
    """Return why a dotenv file cannot carry a variable: not all readers accept the name. Every value fits."""
    return "" if _NAME.fullmatch(variable.name) else "a dotenv file cannot carry this name"


def _statements(text: str) -> Iterator[tuple[re.Match[str], int]]:
    """Yield each statement or comment, with the number of its first line."""
    position, line = 0, 1
    while True:
        blank = _BLANK.match(text, position)
        if blank:
            position, line = blank.end(), line + len(_LINE_END.findall(blank[0]))
        if position == len(text):
            return
        statement = _STATEMENT.match(text, position)
        if statement is None:
            raise error_at(f"line {line}", "this is not NAME=value. Look for a missing quote")
        yield statement, line
        position, line = statement.end(), line + len(_LINE_END.findall(statement[0]))


def _value(statement: re.Match[str]) -> str:
    if statement["single"] is not None:
        return _SINGLE_ESCAPE.sub(r"\1", statement["single"])
    if statement["double"] is not None:
        return _DOUBLE_ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), statement["double"])
    bare = statement["bare"] or ""
    comment = _COMMENT_AFTER_BARE.search(bare)
    return bare[: comment.start()].rstrip() if comment else bare.rstrip()


def _quote(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    if not _NEEDS_ESCAPES.search(value):
        return f"'{value}'"
    for character, escape in _ESCAPES:
        value = value.replace(character, escape)
    return f'"{value}"'
