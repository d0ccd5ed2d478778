"""Accounts whose person has just proven who they are."""

from __future__ import annotations

from dataclasses import dataclass

from vault.errors import BadLogin
from vault.storage import UnitOfWork, User


@dataclass(frozen=True, slots=True)
class Proven:
    """An account, as it was when its person gave the password. A call that needs this proof takes it back."""

    id: str
    second_factor: bool
    version: int
    """The version of the account that was looked at."""

    @classmethod
    def of(cls, user: User) -> Proven:
        """The proof for an account whose password was right."""
        return cls(user.id, user.second_factor, user.row_version)

    def look_up(self, unit: UnitOfWork) -> User:
        """The account. Raises `BadLogin` if it has changed since the proof."""
        return _unchanged(unit.users.by_id(self.id), self.version)


def hold(unit: UnitOfWork, account: User | Proven) -> User:
    """The account, locked until the transaction ends, and with it everything that belongs to its person.

    Raises `BadLogin` if it has changed since it was looked at, because then the proof may be void.
    """
    version = account.version if isinstance(account, Proven) else account.row_version
    return _unchanged(unit.users.by_id(account.id, lock=True), version)


def _unchanged(user: User | None, version: int) -> User:
    if user is None or user.row_version != version:
        raise BadLogin()
    return user
