"""A template, written only: the names without their values, to be committed beside a program that needs them.

It is a dotenv file of empty values, with each variable's description above it as a comment.
"""

from __future__ import annotations

from collections.abc import Sequence

from vault.errors import FormatError
from vault.formats.base import UNNAMED, ParsedFile, Rendered, Source, lines
from vault.formats.dotenv import obstacle
from vault.model.environment import Variable
from vault.model.printable import shown


class TemplateFormat:
    """Names without values; see the top of this file."""

    name = "template"
    media_type = "text/plain"
    suffix = ".env.example"
    ends = (suffix,)
    can_parse = False
    keeps_disabled = False

    def parse(self, text: str) -> ParsedFile:
        """Always raises `FormatError`: there is nothing in it to take."""
        raise FormatError("A template can be exported, not imported: it holds no values.")

    def render(self, variables: Sequence[Variable], source: Source = UNNAMED) -> Rendered:
        """`NAME=` lines; names that dotenv cannot carry are left out with a warning."""
        return lines(variables, obstacle, _lines)


def _lines(variable: Variable) -> str:
    comments = [f"# {shown(line)}".rstrip() + "\n" for line in variable.description.splitlines()]
    return "".join(comments) + f"{variable.name}=\n"
