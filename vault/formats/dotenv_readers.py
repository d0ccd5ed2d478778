"""The programs that read dotenv files, and the values that each reads differently from what they mean.

There is no standard. For each form in which a value can be written, a reader has a pattern of values that it reads
otherwise. The patterns may find too much, but never too little: tests/interop/test_dotenv_readers.py writes generated
values and lets the readers themselves read them. Where a reader differs between versions, both are in the pattern.

    PLAIN    NAME=abc
    SINGLE   NAME='a $b'
    BARE     NAME=\\\\server\\share
    DOUBLE   NAME="it's"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from vault.formats.shell import TAKEN_BY_SHELLS


class Form(Enum):
    """How a value is written."""

    PLAIN = auto()
    SINGLE = auto()
    BARE = auto()
    DOUBLE = auto()


_NOTHING = re.compile(r"(?!)")
_NUL = re.compile(r"\0")
"""No variable of a process can have one. Programs cut the value there, or refuse the file."""


@dataclass(frozen=True, slots=True)
class Reader:
    """One program. `always` finds values that it reads differently in any form, `misread` those of one form."""

    name: str
    misread: Mapping[Form, re.Pattern[str]]
    always: re.Pattern[str] = _NOTHING
    names: re.Pattern[str] = field(default=re.compile(""))
    """Matches at the start of each name that the reader takes."""
    lost: re.Pattern[str] = _NOTHING
    """Finds values between double quotes after which the reader may have lost its place."""

    def reads(self, name: str, value: str, form: Form) -> bool:
        """Report whether the program reads this value under this name."""
        found = _NUL.search(value) or self.always.search(value) or self.misread.get(form, _NOTHING).search(value)
        return not found and self.names.match(name) is not None


# Node's readers know no escape but \n and \r between double quotes: \\ and \" stay as they are. Some take a quote for
# the end of the value, or a backslash at the end for the escape of the last quote.
_NODE_DOUBLE = re.compile(r'[\\"]')
_NODE_LOST = re.compile(r'"|\\\Z')

# An object of JavaScript is not given this name. Two readers also take what each object has for values, and fail.
_NODE_NAMES = re.compile(r"(?!__proto__\Z)")
_EXPANDED_NAMES = re.compile(
    r"(?!(?:__proto__|constructor|hasOwnProperty|isPrototypeOf|propertyIsEnumerable|toLocaleString|toString|valueOf"
    r"|__(?:define|lookup)[GS]etter__)\Z)"
)

READERS = (
    Reader(
        "shells",
        {Form.BARE: re.compile(r"\\"), Form.DOUBLE: re.compile(r"[$`\r]")},
        names=TAKEN_BY_SHELLS,
        lost=re.compile(r"[$`]"),
    ),
    Reader("Node's dotenv", {Form.DOUBLE: _NODE_DOUBLE}, names=_NODE_NAMES, lost=_NODE_LOST),
    Reader("node --env-file", {Form.DOUBLE: re.compile(r'[\\"\r]')}, names=_NODE_NAMES, lost=_NODE_LOST),
    Reader(
        "dotenvx",
        {Form.DOUBLE: re.compile(r'[\\"$`]')},
        always=re.compile(r"\Aencrypted:"),
        names=_EXPANDED_NAMES,
        lost=_NODE_LOST,
    ),
    # It gets what dotenv has read, so it does not know of quotes.
    Reader(
        "dotenv-expand",
        {Form.DOUBLE: _NODE_DOUBLE},
        always=re.compile(r"\$[\w.{]|\\\$"),
        names=_EXPANDED_NAMES,
        lost=_NODE_LOST,
    ),
    # It expands ${NAME} also between single quotes.
    Reader("python-dotenv", {}, always=re.compile(r"\$\{")),
    # It trims all quotes from the end of a value, and refuses a file with a dash in a name.
    Reader(
        "godotenv",
        {Form.DOUBLE: re.compile(r'\$|[\\"]\Z')},
        names=re.compile(r"[^-]+\Z"),
        lost=re.compile(r"\\\Z"),
    ),
    Reader("docker compose", {Form.DOUBLE: re.compile(r"\$")}),
)


def others(name: str, value: str, form: Form) -> set[str]:
    """Return the names of the readers that read a value differently."""
    return {reader.name for reader in READERS if not reader.reads(name, value, form)}


def lost(value: str, form: Form) -> set[str]:
    """Return the names of the readers that may also misread the lines after a value."""
    return {reader.name for reader in READERS if form is Form.DOUBLE and reader.lost.search(value)}
