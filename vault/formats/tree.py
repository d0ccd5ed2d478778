"""What `yaml_tree.py` makes of a document: texts, mappings, lists. Apart, because importing PyYAML takes time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from vault.formats.base import error_at


@dataclass(frozen=True, slots=True)
class Scalar:
    """One text. `is_text` is False where YAML readers take it for a number, a truth value, a date or nothing."""

    text: str = field(repr=False)
    is_text: bool
    place: str


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and what stands under them, in order; a key may stand twice."""

    items: tuple[tuple[Scalar, Node], ...]
    place: str

    def get(self, name: str) -> Node | None:
        """What stands under `name`, or None. Raises `FormatError` where the key stands twice."""
        found = [(key, node) for key, node in self.items if key.text == name]
        if len(found) > 1:
            raise error_at(found[1][0].place, f"{name} stands here again; it is on {found[0][0].place} already")
        return found[0][1] if found else None


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list, whose items no format here needs."""

    place: str


Node: TypeAlias = Scalar | Mapping | Sequence
