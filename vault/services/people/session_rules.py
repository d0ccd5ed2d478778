"""The rules for sessions, which the operator sets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SessionRules:
    """How long sessions live, how many a person may have, and who needs a second factor.

    `second_factor_of` is "none", "operators" or "all".
    """

    idle_seconds: int
    absolute_seconds: int
    quota: int
    second_factor_of: str
