"""What people see of their second factors."""

from __future__ import annotations

from dataclasses import dataclass, field

from vault.services.environments.documents import Document


@dataclass(frozen=True, slots=True)
class Factor:
    """A second factor, as the person sees it."""

    id: str
    kind: str
    name: str
    created_us: int
    used_us: int | None


@dataclass(frozen=True, slots=True)
class FactorList:
    """A person's second factors, and whether the account requires one."""

    items: tuple[Factor, ...]
    recovery_codes_left: int
    required: bool


@dataclass(frozen=True, slots=True)
class TotpEnrolment:
    """A secret that is not confirmed yet by a code from the app."""

    id: str
    expires_us: int
    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PasskeyEnrolment:
    """What a browser needs to make a passkey."""

    id: str
    expires_us: int
    options: Document


@dataclass(frozen=True, slots=True)
class Added:
    """A factor that was added. The first one comes with ten recovery codes, which are shown once."""

    factor: Factor
    recovery_codes: tuple[str, ...] = field(default=(), repr=False)
