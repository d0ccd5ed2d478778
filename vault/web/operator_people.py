"""Operators' page of the accounts: disable, enable, change the role, take lost second factors off."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response

from vault.errors import Conflict, InvalidInput, NotFound
from vault.model.principal import Role
from vault.storage import Record, UnitOfWork
from vault.web.operators import new_operator_blueprint
from vault.web.pages import field, principal, render, see, services, transaction

blueprint = new_operator_blueprint("people")

_HOME = "/operator/people"


@blueprint.get(_HOME)
def list_people() -> Response:
    """All accounts."""
    return render("operator_people.html", people=services().accounts.list(principal()), tab="people")


@blueprint.post("/operator/people/<user_id>/state")
def set_state(user_id: str) -> Response:
    """Disable an account, which ends its sessions, or enable it again."""
    is_active = field("state") == "active"
    accounts = services().accounts
    return _change(user_id, lambda unit, name: accounts.set_state(unit, principal(), name, active=is_active))


@blueprint.post("/operator/people/<user_id>/role")
def set_role(user_id: str) -> Response:
    """Change what an account may do; its sessions end."""
    try:
        role = Role(field("role"))
    except ValueError:
        raise InvalidInput("A role is user or operator.", path="role") from None
    return _change(user_id, lambda unit, name: services().accounts.set_role(unit, principal(), name, role))


@blueprint.post("/operator/people/<user_id>/reset-factors")
def reset_factors(user_id: str) -> Response:
    """Take all second factors off an account whose person has lost them; its sessions end."""
    return _change(user_id, lambda unit, name: services().factors.reset(unit, principal(), name))


def _change(user_id: str, action: Callable[[UnitOfWork, str], object]) -> Response:
    name = _other(user_id).name
    transaction(lambda unit: action(unit, name))
    return see(_HOME, "person-changed")


def _other(user_id: str) -> Record:
    """Somebody else's account. Raises `Conflict` for one's own: nobody locks themselves out by a click."""
    if user_id == principal().user_id:
        raise Conflict("This is your own account: another operator changes it, or the command on the host.")
    for person in services().accounts.list(principal()):
        if person.id == user_id:
            return person
    raise NotFound()
