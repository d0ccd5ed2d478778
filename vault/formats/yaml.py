"""YAML, written only: one mapping of names to strings.

Every name and value stands in double quotes. Unquoted, `no`, `012`, `1e3` and `2026-01-01` are a truth value, a
number, a number or a date, depending on which YAML version the reader follows.
"""

from __future__ import annotations

from collections.abc import Sequence

from vault.errors import FormatError
from vault.formats.base import ParsedFile, Rendered, writable
from vault.model.environment import Variable


class YamlFormat:
    """One flat mapping; see the top of this file."""

    name = "yaml"
    media_type = "application/yaml"
    suffix = ".yaml"
    can_parse = False

    def parse(self, text: str) -> ParsedFile:
        """Always raises `FormatError`: this format is written only."""
        raise FormatError("YAML can be exported, not imported: give the variables as dotenv or JSON.")

    def render(self, variables: Sequence[Variable]) -> Rendered:
        """One line a variable, whatever its length."""
        # Imported here because most commands never write YAML.
        import yaml

        warnings: list[str] = []
        values = {variable.name: variable.text for variable in writable(variables, warnings)}
        text = yaml.safe_dump(
            values, default_style='"', default_flow_style=False, allow_unicode=True, sort_keys=False, width=2**31
        )
        return Rendered(text if values else "{}\n", tuple(warnings))
