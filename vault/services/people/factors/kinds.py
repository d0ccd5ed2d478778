"""Which factors there are beside the password, and whether an account asks for one."""

from __future__ import annotations

from enum import StrEnum

from vault.storage import Credential, UnitOfWork, User


class Kind(StrEnum):
    """A factor, as its row in `credentials` and a session's `factors` name it."""

    TOTP = "totp"
    PASSKEY = "passkey"
    RECOVERY = "recovery"


SECOND_FACTORS = (Kind.TOTP, Kind.PASSKEY)
"""What a person adds and removes. Recovery codes come and go with the first and the last of them."""


def factors_of(unit: UnitOfWork, user_id: str) -> list[Credential]:
    """A person's second factors, without their recovery codes."""
    return [row for kind in SECOND_FACTORS for row in unit.credentials.of_user(user_id, kind)]


def is_required(unit: UnitOfWork, user: User) -> bool:
    """Whether the account's password is not enough.

    The user's own row says so, whatever has become of the factors' rows; and where an old row of the user's was put
    back, the factors still do.
    """
    return bool(user.second_factor) or bool(factors_of(unit, user.id))


def offered(unit: UnitOfWork, user_id: str) -> tuple[str, ...]:
    """The kinds of which the person has one that may be used."""
    kinds = [str(kind) for kind in SECOND_FACTORS if unit.credentials.of_user(user_id, kind)]
    codes = unit.credentials.of_user(user_id, Kind.RECOVERY)
    return (*kinds, str(Kind.RECOVERY)) if any(row.counter for row in codes) else tuple(kinds)
