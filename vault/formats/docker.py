"""Docker's `--env-file`: `NAME=value` lines without quoting, as docker's `opts/file.go` and podman read them.

The value is everything after the first `=` up to the end of the line, with quotes and spaces. So these cannot be
written: a value with a line feed, a value that ends in a carriage return (which would be read as part of the line end),
and a line of 64 KiB (for which docker refuses the whole file).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vault.formats.base import BYTE_ORDER_MARK, UNNAMED, Collector, ParsedFile, Rendered, Source, error_at, lines
from vault.model.environment import Variable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_LINE_MOST_BYTES = 64 * 1024 - 1
"""The size of Go's bufio.Scanner buffer. It includes the line end, and the line must be shorter."""


class DockerFormat:
    """`NAME=value` lines without quoting; see the top of this file."""

    name = "docker"
    media_type = "text/plain"
    suffix = ".docker.env"
    ends = (suffix,)
    can_parse = True
    keeps_disabled = False
    reads_references = False
    writes_values = True

    def parse(self, text: str) -> ParsedFile:
        """Parse `text` as docker does. Refuse a name without a value: docker would take the value from its own
        environment.
        """
        collector = Collector()
        for number, line in enumerate(text.removeprefix(BYTE_ORDER_MARK).split("\n"), 1):
            statement = line.removesuffix("\r").lstrip()
            if not statement or statement.startswith("#"):
                continue
            place = f"line {number}"
            name, equals, value = statement.partition("=")
            if not equals:
                raise error_at(place, "this name has no '=' and no value")
            if not name or " " in name or "\t" in name:
                raise error_at(place, "this is not NAME=value")
            collector.add(name, value, place)
        return collector.finish()

    def render(self, variables: Sequence[Variable], source: Source = UNNAMED) -> Rendered:
        """Write one line for each variable. A value that would need quoting is left out with a warning."""
        return lines(variables, _obstacle, _line)


def _line(variable: Variable) -> str:
    return f"{variable.name}={variable.text}\n"


def _obstacle(variable: Variable) -> str:
    if not _NAME.fullmatch(variable.name):
        return "a Docker env-file cannot carry this name"
    if "\n" in variable.text:
        return "its value has several lines, and a Docker env-file cannot quote them"
    if variable.text.endswith("\r"):
        return "its value ends in a carriage return, which a Docker env-file loses"
    if "\0" in variable.text:
        return "its value contains a NUL character, which no environment variable can contain"
    if len(_line(variable).encode()) > _LINE_MOST_BYTES:
        return "its value is too long: docker reads at most 64 KiB in a line"
    return ""
