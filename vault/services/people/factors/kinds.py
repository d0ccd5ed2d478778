"""The kinds of second factors, and whether an account requires one."""

from __future__ import annotations

from enum import StrEnum

from vault.storage import Credential, UnitOfWork, User


class FactorKind(StrEnum):
    """A factor's name in `credentials` rows and in a session's `factors`."""

    TOTP = "totp"
    PASSKEY = "passkey"
    RECOVERY = "recovery"


SECOND_FACTORS = (FactorKind.TOTP, FactorKind.PASSKEY)
"""The kinds that a person adds and removes. Recovery codes are made with the first and removed with the last of
them.
"""


def factors_of(unit: UnitOfWork, user_id: str) -> list[Credential]:
    """Return a person's second factors, without recovery codes."""
    return [row for kind in SECOND_FACTORS for row in unit.credentials.of_user(user_id, kind)]


def is_required(unit: UnitOfWork, user: User) -> bool:
    """Report whether the account's password is not enough.

    The user's row says so, even if rows of factors are missing. If an old user row was put back, the rows of factors
    say so.
    """
    return user.second_factor or bool(factors_of(unit, user.id))


def offered(unit: UnitOfWork, user_id: str) -> tuple[str, ...]:
    """Return the kinds of which the person has a usable factor."""
    # `is_required` seldom reads these rows: for an account with a factor, it stops at the user's row. One list for both
    # would cost each login without a factor a statement more.
    kinds = [str(kind) for kind in SECOND_FACTORS if unit.credentials.of_user(user_id, kind)]
    codes = unit.credentials.of_user(user_id, FactorKind.RECOVERY)
    return (*kinds, str(FactorKind.RECOVERY)) if any(row.counter for row in codes) else tuple(kinds)
