"""Docker's `--env-file`: `NAME=value` lines without any quoting, as docker's `opts/file.go` and podman read them.

Everything after the first `=` is the value, to the end of the line, quotes and spaces included. So a value with a
line feed cannot be written at all, nor one that ends in a carriage return (it is taken for a part of the line's end),
nor a line of 64 KiB, on which docker refuses the whole file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vault.formats.base import BYTE_ORDER_MARK, UNNAMED, Collector, ParsedFile, Rendered, Source, error_at, lines
from vault.model.environment import Variable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_LINE_MOST_BYTES = 64 * 1024 - 1
"""bufio.Scanner's buffer, which takes the line's end too, and is never full."""


class DockerFormat:
    """`NAME=value` lines without quoting; see the top of this file."""

    name = "docker"
    media_type = "text/plain"
    suffix = ".docker.env"
    ends = (suffix,)
    can_parse = True
    keeps_disabled = False

    def parse(self, text: str) -> ParsedFile:
        """Read `text` as docker does, but refuse a name without a value: docker takes that from its own process."""
        collector = Collector()
        for number, line in enumerate(text.removeprefix(BYTE_ORDER_MARK).split("\n"), 1):
            statement = line.removesuffix("\r").lstrip()
            if not statement or statement.startswith("#"):
                continue
            place = f"line {number}"
            name, equals, value = statement.partition("=")
            if not equals:
                raise error_at(place, "a name stands here without '=' and a value")
            if not name or " " in name or "\t" in name:
                raise error_at(place, "this is not NAME=value")
            collector.add(name, value, place)
        return collector.finish()

    def render(self, variables: Sequence[Variable], source: Source = UNNAMED) -> Rendered:
        """One line a variable; what needs quoting is left out with a warning, for there is none."""
        return lines(variables, _obstacle, _line)


def _line(variable: Variable) -> str:
    return f"{variable.name}={variable.text}\n"


def _obstacle(variable: Variable) -> str:
    if not _NAME.fullmatch(variable.name):
        return "a Docker env-file cannot carry this name"
    if "\n" in variable.text:
        return "its value has several lines, and a Docker env-file has no quoting to carry them"
    if variable.text.endswith("\r"):
        return "its value ends in a carriage return, which a Docker env-file loses"
    if "\0" in variable.text:
        return "its value holds a NUL character, which no process's environment can hold"
    if len(_line(variable).encode()) > _LINE_MOST_BYTES:
        return "its value is longer than the 64 KiB that docker reads in a line"
    return ""
