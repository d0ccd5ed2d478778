"""YAML: one mapping of names to strings.

Every name and value is written in double quotes. Unquoted, `no`, `012`, `1e3` and `2026-01-01` are a truth value, a
number, a number or a date, depending on which YAML version the reader follows. What is read is the text as it was
written, with a warning where other readers would not take it for text.
"""

from __future__ import annotations

from collections.abc import Sequence

from vault.formats.base import (
    BYTE_ORDER_MARK,
    UNNAMED,
    Collector,
    ParsedFile,
    Rendered,
    Source,
    error_at,
    shown,
    writable,
)
from vault.formats.tree import Mapping, Scalar
from vault.model.environment import Variable


class YamlFormat:
    """One flat mapping; see the top of this file."""

    name = "yaml"
    media_type = "application/yaml"
    suffix = ".yaml"
    can_parse = True
    keeps_disabled = False

    def parse(self, text: str) -> ParsedFile:
        """Read one flat mapping. Raises `FormatError` for anything else, and for a name that stands twice."""
        # Here and below imported late, because most commands never touch YAML.
        from vault.formats.yaml_tree import read_tree

        root = read_tree(text.removeprefix(BYTE_ORDER_MARK))
        if not isinstance(root, Mapping):
            raise error_at(root.place, "a mapping of names to values is expected")
        collector = Collector()
        for name, node in root.items:
            if not isinstance(node, Scalar):
                raise error_at(
                    node.place, "a text is expected here, not a mapping or a list (a Secret is of format kubernetes)"
                )
            if not node.is_text:
                collector.warnings.append(f"{shown(name.text)} is not a string; it is taken as it is written.")
            collector.add_once(name.text, node.text, name.place)
        return collector.finish()

    def render(self, variables: Sequence[Variable], source: Source = UNNAMED) -> Rendered:
        """One line a variable, whatever its length."""
        import yaml

        warnings: list[str] = []
        values = {variable.name: variable.text for variable in writable(variables, warnings)}
        text = yaml.safe_dump(
            values, default_style='"', default_flow_style=False, allow_unicode=True, sort_keys=False, width=2**31
        )
        return Rendered(text if values else "{}\n", tuple(warnings))
