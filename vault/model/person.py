"""People, as they are shown to themselves and to operators."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """An account. Times are microseconds since 1970.

    `name_folded` gives the order of lists.
    """

    id: str
    name: str
    name_folded: str
    role: str
    state: str
    second_factor: bool
    created_us: int
