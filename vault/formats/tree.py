"""The nodes that `yaml_tree.py` makes of a YAML document. They have their own file, because importing PyYAML takes
time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from vault.errors import FormatError
from vault.formats.base import error_at
from vault.formats.doubts import SOPS


@dataclass(frozen=True, slots=True)
class Scalar:
    """One text. `is_text` is False if YAML readers take it for a number, a boolean, a date or null."""

    text: str = field(repr=False)
    is_text: bool
    place: str

    @property
    def is_null(self) -> bool:
        """Report whether YAML readers take it for null."""
        return not self.is_text and self.text.lower() in ("", "~", "null")


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and their values, in order. A key may be repeated."""

    items: tuple[tuple[Scalar, Node], ...]
    place: str

    def get(self, name: str) -> Node | None:
        """Return the value of a key, or None. Raises `FormatError` if the key is repeated."""
        found = [(key, node) for key, node in self.items if key.text == name]
        if len(found) > 1:
            raise error_at(found[1][0].place, f"{name} is repeated here; the first one is on {found[0][0].place}")
        return found[0][1] if found else None


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list. No format here needs its items."""

    place: str


Node: TypeAlias = Scalar | Mapping | Sequence


def refuse_sops(root: Mapping) -> None:
    """Raise `FormatError` for a file that SOPS has encrypted: it adds a mapping with this name."""
    if isinstance(root.get("sops"), Mapping):
        raise FormatError(SOPS)
