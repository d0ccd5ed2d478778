"""People, as they and operators see them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """An account. Times are microseconds since 1970. Lists are sorted by `name_folded`."""

    id: str
    name: str
    name_folded: str
    role: str
    state: str
    second_factor: bool
    created_us: int
