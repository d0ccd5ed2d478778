"""Template: the names without values, to commit beside a program that needs them. This format cannot be read.

It is a dotenv file of empty values. A variable's description is a comment above its name.
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
    reads_references = False
    writes_values = False

    def parse(self, text: str) -> ParsedFile:
        """Raise `FormatError`: a template has no values."""
        raise FormatError("A template cannot be imported, because it has no values.")

    def render(self, variables: Sequence[Variable], source: Source = UNNAMED) -> Rendered:
        """Write `NAME=` lines. Names that dotenv cannot carry are left out with a warning."""
        return lines(variables, obstacle, _lines)


def _lines(variable: Variable) -> str:
    comments = [f"# {shown(line)}".rstrip() + "\n" for line in variable.description.splitlines()]
    return "".join(comments) + f"{variable.name}=\n"
