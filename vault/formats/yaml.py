"""YAML: one mapping of names to strings.

Every name and value is written in double quotes. Without quotes, `no`, `012`, `1e3` and `2026-01-01` are a boolean, a
number, a number and a date, depending on the YAML version of the reader. Values are read as they are written, with a
warning if other readers would not read them as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from vault.formats.base import BYTE_ORDER_MARK, UNNAMED, Collector, ParsedFile, Rendered, Source, error_at, writable
from vault.formats.tree import Mapping, Scalar, refuse_sops
from vault.model.environment import Variable
from vault.model.printable import shown

# YAML has fewer printable characters than JSON. It also reads some as line breaks or as a byte order mark.
_ESCAPED = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF)}
_NEEDS_ESCAPE = re.compile(f"[{''.join(map(chr, _ESCAPED))}]")
_IMPLICIT_KEY_MOST = 1024
"""The longest name before a colon that YAML readers must accept (YAML 1.2.2, section 7.4.2)."""


class YamlFormat:
    """One flat mapping; see the top of this file."""

    name = "yaml"
    media_type = "application/yaml"
    suffix = ".yaml"
    ends = (suffix, ".yml")
    can_parse = True
    keeps_disabled = False
    reads_references = False
    writes_values = True

    def parse(self, text: str) -> ParsedFile:
        """Parse one flat mapping. Raises `FormatError` for anything else, and for a repeated name."""
        # Import here, because most commands never read YAML.
        from vault.formats.yaml_tree import read_tree

        root = read_tree(text.removeprefix(BYTE_ORDER_MARK))
        if not isinstance(root, Mapping):
            raise error_at(root.place, "this must be a mapping of names to values")
        refuse_sops(root)
        collector = Collector()
        for name, node in root.items:
            if not isinstance(node, Scalar):
                raise error_at(
                    node.place, "this must be a text, not a mapping or a list. For a Secret, use the format kubernetes"
                )
            if node.is_null:
                collector.state_null(name.text, name.place)
                continue
            if not node.is_text:
                collector.warnings.append(f"{shown(name.text)} is not a string. Its text is used as it is written.")
            collector.add_once(name.text, node.text, name.place)
        return collector.finish()

    def render(self, variables: Sequence[Variable], source: Source = UNNAMED) -> Rendered:
        """Write one line for each variable, however long it is."""
        warnings: list[str] = []
        values = {variable.name: variable.text for variable in writable(variables, warnings)}
        members = [_member(_quote(name), _quote(value)) for name, value in values.items()]
        return Rendered("".join(members) or "{}\n", tuple(warnings))


def _member(name: str, value: str) -> str:
    return f"? {name}\n: {value}\n" if len(name) > _IMPLICIT_KEY_MOST else f"{name}: {value}\n"


def _quote(text: str) -> str:
    """Return a double-quoted string. PyYAML's emitter needs a second for a megabyte; this needs milliseconds."""
    # YAML reads all escapes of JSON (YAML 1.2.2, section 5.7).
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted.translate(_ESCAPED) if _NEEDS_ESCAPE.search(quoted) else quoted
