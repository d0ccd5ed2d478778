"""Finding a person, and the rule that a vault keeps an operator."""

from __future__ import annotations

from vault.errors import Conflict, NotFound
from vault.model.environment import canonical, looks_like_id
from vault.model.folding import fold_username
from vault.model.principal import Principal, PrincipalKind, Role
from vault.storage import Stale, UnitOfWork, User


def find_person(unit: UnitOfWork, reference: str) -> User:
    """The account of this name or id; no name looks like an id. Raises `NotFound`."""
    if looks_like_id(reference):
        found = unit.users.by_id(canonical(reference))
    else:
        found = unit.users.by_name(fold_username(reference))
    if found is None:
        raise NotFound("There is no such account.")
    return found


def held_as_found(unit: UnitOfWork, user: User) -> User:
    """The account, held until the transaction ends. Raises `Stale` where it is not any more as it was looked at."""
    now = unit.users.by_id(user.id, lock=True)
    if now is None or now.row_version != user.row_version:
        raise Stale("users")
    return now


def keep_an_operator(unit: UnitOfWork, principal: Principal, user: User, *, may_be_oneself: bool = True) -> None:
    """Raise `Conflict` where the last active operator would go, or (unless that is meant) whoever asks.

    The operator on the host may: whoever has a shell there makes another. All active operators are held until the
    transaction ends: two who demote each other at the same time would both think that one is left.
    """
    if principal.kind is PrincipalKind.HOST:
        return
    if not may_be_oneself and user.id == principal.user_id:
        raise Conflict("This is your own account: another operator may do that, or whoever has a shell on the host.")
    if user.role != Role.OPERATOR or user.state != "active":
        return
    others = [row for row in unit.users.hold_operators() if row.id != user.id]
    if not others:
        raise Conflict(
            "This is the last active operator: make another one first, or have it done on the host with "
            "`strongroom user`."
        )
