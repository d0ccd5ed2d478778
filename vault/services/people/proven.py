"""Accounts whose person has just confirmed their identity."""

from __future__ import annotations

from dataclasses import dataclass

from vault.errors import BadLogin
from vault.services.people.finding import unchanged
from vault.storage import UnitOfWork, User


@dataclass(frozen=True, slots=True)
class Proven:
    """An account at the time when the password was checked. A call that needs this proof takes it as an argument."""

    id: str
    second_factor: bool
    version: int
    """The version of the account that was checked."""

    @classmethod
    def of(cls, user: User) -> Proven:
        """Return the proof for an account after its password was correct."""
        return cls(user.id, user.second_factor, user.row_version)

    def look_up(self, unit: UnitOfWork) -> User:
        """Return the account. Raises `BadLogin` if it has changed since the proof."""
        return unchanged(unit.users.by_id(self.id), self.version, BadLogin())


def hold(unit: UnitOfWork, account: User | Proven) -> User:
    """Lock and return the account, and with it everything of its person, until the transaction ends.

    Raises `BadLogin` if it has changed since it was read, because then the proof may no longer be valid.
    """
    version = account.version if isinstance(account, Proven) else account.row_version
    return unchanged(unit.users.by_id(account.id, lock=True), version, BadLogin())
