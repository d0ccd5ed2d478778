"""What a person is told of their second factors: which there are, and what a new one needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Factor:
    """A second factor, as its person sees it."""

    id: str
    kind: str
    name: str
    created_us: int
    used_us: int | None


@dataclass(frozen=True, slots=True)
class FactorList:
    """All second factors of a person's, and whether the account asks for one."""

    items: tuple[Factor, ...]
    recovery_codes_left: int
    required: bool


@dataclass(frozen=True, slots=True)
class TotpEnrolment:
    """A secret that waits for a first code of the app that it was given to."""

    id: str
    expires_us: int
    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PasskeyEnrolment:
    """What a browser needs to make a passkey."""

    id: str
    expires_us: int
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Added:
    """A factor that was added; with the first one ten recovery codes, which are told this once."""

    factor: Factor
    recovery_codes: tuple[str, ...] = field(default=(), repr=False)
