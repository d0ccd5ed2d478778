"""YAML: one mapping of names to strings.

Every name and value is written in double quotes. Unquoted, `no`, `012`, `1e3` and `2026-01-01` are a truth value, a
number, a number or a date, depending on which YAML version the reader follows. What is read is the text as it was
written, with a warning where other readers would not take it for text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from vault.formats.base import BYTE_ORDER_MARK, UNNAMED, Collector, ParsedFile, Rendered, Source, error_at, writable
from vault.formats.tree import Mapping, Scalar
from vault.model.environment import Variable
from vault.model.printable import shown

# YAML's printable characters are fewer than JSON's, and YAML takes some that JSON allows for line breaks or a byte
# order mark.
_ESCAPED = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF)}
_NEEDS_ESCAPE = re.compile(f"[{''.join(map(chr, _ESCAPED))}]")
_IMPLICIT_KEY_MOST = 1024
"""A reader looks no farther for the colon behind a name (YAML 1.2.2, section 7.4.2)."""


class YamlFormat:
    """One flat mapping; see the top of this file."""

    name = "yaml"
    media_type = "application/yaml"
    suffix = ".yaml"
    ends = (suffix, ".yml")
    can_parse = True
    keeps_disabled = False

    def parse(self, text: str) -> ParsedFile:
        """Read one flat mapping. Raises `FormatError` for anything else, and for a name that stands twice."""
        # Imported here because most commands never read YAML.
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
        warnings: list[str] = []
        values = {variable.name: variable.text for variable in writable(variables, warnings)}
        members = [_member(_quote(name), _quote(value)) for name, value in values.items()]
        return Rendered("".join(members) or "{}\n", tuple(warnings))


def _member(name: str, value: str) -> str:
    return f"? {name}\n: {value}\n" if len(name) > _IMPLICIT_KEY_MOST else f"{name}: {value}\n"


def _quote(text: str) -> str:
    """Write a double-quoted string. PyYAML's own emitter takes a second for a megabyte, this some milliseconds."""
    # YAML reads every escape of JSON (YAML 1.2.2, section 5.7).
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted.translate(_ESCAPED) if _NEEDS_ESCAPE.search(quoted) else quoted
