"""Finds a person, and keeps the rule that a vault always has an operator."""

from __future__ import annotations

from vault.errors import Conflict, NotFound
from vault.model.environment import canonical, looks_like_id
from vault.model.folding import fold_username
from vault.model.person import Person
from vault.model.principal import Principal, PrincipalKind, Role
from vault.storage import Stale, UnitOfWork, User


def person_of(user: User) -> Person:
    """Return what an account's owner and operators may see."""
    return Person(
        id=user.id,
        name=user.name,
        name_folded=user.name_folded,
        role=user.role,
        state=user.state,
        second_factor=user.second_factor,
        created_us=user.created_us,
    )


def find_person(unit: UnitOfWork, reference: str) -> User:
    """Return the account with this name or id. No name looks like an id. Raises `NotFound`."""
    if looks_like_id(reference):
        found = unit.users.by_id(canonical(reference))
    else:
        found = unit.users.by_name(fold_username(reference))
    if found is None:
        raise NotFound("There is no such account.")
    return found


def held_as_found(unit: UnitOfWork, user: User) -> User:
    """Lock and return the account. Raises `Stale` if it has changed since it was read."""
    return unchanged(unit.users.by_id(user.id, lock=True), user.row_version, Stale("users"))


def unchanged(user: User | None, version: int, error: Exception) -> User:
    """Return the account if it still has the version that was read. Raises `error` if not."""
    if user is None or user.row_version != version:
        raise error
    return user


def keep_an_operator(unit: UnitOfWork, principal: Principal, user: User, *, may_be_oneself: bool = True) -> None:
    """Raise `Conflict` if the last active operator would go, or the caller would, unless `may_be_oneself`.

    The operator on the host may do both, because a shell on the host can make another operator. All active operators
    are locked until the transaction ends: otherwise two who demote each other at the same time could both succeed.
    """
    if principal.kind is PrincipalKind.HOST:
        return
    if not may_be_oneself and user.id == principal.user_id:
        raise Conflict("This is your own account. Another operator can change it, or use the command on the host.")
    if user.role != Role.OPERATOR or user.state != "active":
        return
    others = [row for row in unit.users.hold_operators() if row.id != user.id]
    if not others:
        raise Conflict(
            "This is the last active operator. Make another operator first, or use the command on the host, "
            "`strongroom user`."
        )
