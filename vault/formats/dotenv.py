r"""dotenv (`.env`): `NAME=value` lines, as python-dotenv reads them without interpolation.

We have our own parser because python-dotenv 1.2 takes quadratic time for a line of spaces: a line of 1 MiB would keep a
server busy for half an hour. A property test checks that both parsers agree. Backticks are read as Node's dotenv does.
A value is written in the first of four forms that can carry it, which is the one that most readers agree on:

    NAME=plain             letters, digits and a few signs
    NAME='C:\new $ "'      no single quote, no carriage return, no two backslashes, no backslash at the end
    NAME=a\\b              backslashes, and otherwise only what has no meaning to a shell
    NAME="it's \r"         everything else, with escapes

A raw carriage return is never written, because a file that is opened in text mode turns it into a line feed.

A value that some reader reads differently is written with a warning that names the reader: see `dotenv_readers.py`.
Values after which a reader may have lost its place come last, so that no others suffer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from vault.formats.base import (
    BYTE_ORDER_MARK,
    UNNAMED,
    Collector,
    ParsedFile,
    Rendered,
    Source,
    error_at,
    lines,
    writable,
)
from vault.formats.dotenv_expansion import Expansion
from vault.formats.dotenv_readers import READERS, Form, lost, others
from vault.model.environment import Variable
from vault.model.printable import shown

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,-]*")
_NOT_SINGLE = re.compile(r"['\r]|\\\\|\\\Z")
_BARE = re.compile(r"[A-Za-z0-9_./:@%+,=\\-]+")
# Escape the backslash first, because the other escapes start with one. Shells read no \n, so a line feed stays one.
_ESCAPES = (("\\", "\\\\"), ('"', '\\"'), ("\r", "\\r"))
_RUN_BY_SHELLS = re.compile(r"[$`]")

_VARIABLE = re.compile(r"\$\{?[A-Za-z_]")

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
                | `(?P<literal>(?:\\`|[^`])*+)`(?=[^\S\r\n]*+(?:[\#\r\n]|\Z))
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
_ESCAPED = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "$": "$",
}


class DotenvFormat:
    """`NAME=value` lines; see the top of this file."""

    name = "dotenv"
    media_type = "text/plain"
    suffix = ".env"
    ends = (suffix,)
    can_parse = True
    keeps_disabled = False
    reads_references = False
    writes_values = True

    def parse(self, text: str) -> ParsedFile:
        """Parse `text` as python-dotenv does with `interpolate=False`, but refuse what it would skip."""
        return _parsed(text, None)

    def parse_expanded(self, text: str) -> ParsedFile:
        """Do the same, and expand the variables inside of values: see `dotenv_expansion.py`."""
        return _parsed(text, Expansion())

    def render(self, variables: Sequence[Variable], source: Source = UNNAMED) -> Rendered:
        """Write one line for each variable, or more if a value has line feeds. Unfit names are left out with a
        warning. A value that some reader reads differently has a warning too.
        """
        forms = {variable.text: _form(variable.text) for variable in variables}
        ordered = sorted(variables, key=lambda variable: bool(lost(variable.text, forms[variable.text])))
        rendered = lines(ordered, obstacle, lambda each: f"{each.name}={_written(each.text, forms[each.text])}\n")
        return replace(rendered, warnings=(*rendered.warnings, *_misread(ordered, forms)))


def _parsed(text: str, expansion: Expansion | None) -> ParsedFile:
    collector = Collector()
    for statement, line in _statements(text.removeprefix(BYTE_ORDER_MARK)):
        name = statement["quoted_name"] or statement["name"]
        if name is None:
            continue
        if statement["assignment"] is None:
            raise error_at(f"line {line}", "this name has no '=' and no value")
        value = _value(statement, expansion)
        collector.add(name, value, f"line {line}")
        if expansion is not None:
            collector.warnings.extend(expansion.learn(name, value))
        elif statement["single"] is None and statement["literal"] is None and _VARIABLE.search(value):
            collector.warnings.append(
                f"{shown(name)} contains $ and a name. Some programs replace them with a variable. Here they "
                "stay as they are. To replace them with values, import with expand (--expand)."
            )
    return collector.finish()


def _misread(variables: Iterable[Variable], forms: Mapping[str, Form]) -> Iterator[str]:
    """Yield a warning for each variable that is written but that some readers read differently."""
    have_lost: set[str] = set()
    for variable in writable(variables, []):
        if obstacle(variable):
            continue
        text, form = variable.text, forms[variable.text]
        readers = others(variable.name, text, form) | have_lost
        have_lost |= lost(text, form)
        if readers:
            named = ", ".join(reader.name for reader in READERS if reader.name in readers)
            runs = form is Form.DOUBLE and _RUN_BY_SHELLS.search(text)
            yield f"{shown(variable.name)} is read differently, or refused with the whole file, by {named}." + (
                " A shell that reads the file may run a part of it." if runs else ""
            )


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


def _value(statement: re.Match[str], expansion: Expansion | None) -> str:
    if statement["single"] is not None:
        return _SINGLE_ESCAPE.sub(r"\1", statement["single"])
    if statement["double"] is not None:
        written = statement["double"]
        if expansion is not None:
            return expansion.expand(written, _unescaped_in_quotes)
        return _DOUBLE_ESCAPE.sub(lambda escape: _unescaped_in_quotes(escape[1]), written)
    if statement["literal"] is not None:
        return statement["literal"]
    bare = statement["bare"] or ""
    comment = _COMMENT_AFTER_BARE.search(bare)
    bare = (bare[: comment.start()] if comment else bare).rstrip()
    return bare if expansion is None else expansion.expand(bare, _unescaped_bare)


def _unescaped_in_quotes(character: str) -> str:
    """Return what a backslash and a character stand for between double quotes."""
    return _ESCAPED.get(character, f"\\{character}")


def _unescaped_bare(character: str) -> str:
    return character if character == "$" else f"\\{character}"


def _form(value: str) -> Form:
    if _PLAIN.fullmatch(value):
        return Form.PLAIN
    if not _NOT_SINGLE.search(value):
        return Form.SINGLE
    return Form.BARE if _BARE.fullmatch(value) else Form.DOUBLE


def _written(value: str, form: Form) -> str:
    if form is Form.PLAIN:
        return value
    if form is Form.SINGLE:
        return f"'{value}'"
    if form is Form.BARE:
        # A shell would join the next line to a backslash at the end.
        return f"{value} #" if value.endswith("\\") else value
    for character, escape in _ESCAPES:
        value = value.replace(character, escape)
    return f'"{value}"'
