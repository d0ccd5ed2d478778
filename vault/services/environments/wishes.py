"""Changes to an environment that a caller asks for. A service checks each value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict, cast


class RuleWishes(TypedDict, total=False):
    """Changes to the rules of an environment, by the names of their columns."""

    max_versions: int
    cas_required: bool
    delete_version_after_seconds: int


class Wishes(RuleWishes, total=False):
    """Changes to the rules, and to everything else that can change."""

    name: str
    description: str
    bases: Sequence[str]
    custom_metadata: Mapping[str, object] | None
    default_max_versions: int | None


def rules_of(wishes: Wishes) -> RuleWishes:
    """Return the changes to rules among `wishes`."""
    return cast(RuleWishes, {name: wish for name, wish in wishes.items() if name in RuleWishes.__optional_keys__})


def sealed_of(wishes: Wishes) -> Mapping[str, object]:
    """Return the changes to sealed metadata that only Vault clients make."""
    return {name: wish for name, wish in wishes.items() if name in ("custom_metadata", "default_max_versions")}
