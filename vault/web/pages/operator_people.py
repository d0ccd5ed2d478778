"""The operators' pages of the accounts: disable, enable, change the role, remove lost second factors, erase."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response, request

from vault.errors import Conflict, InvalidInput
from vault.http import principal, services, transaction
from vault.model.folding import fold_username
from vault.model.principal import Role
from vault.storage import UnitOfWork
from vault.web.frame.operators import new_operator_blueprint
from vault.web.frame.problems import refused
from vault.web.frame.request import field, render, see

blueprint = new_operator_blueprint("people")

_HOME = "/operator/people"
_PAGE = 100


@blueprint.get(_HOME)
def list_people() -> Response:
    """List all accounts by name, or the account with a given name."""
    wanted = request.args.get("name", "").strip()
    found = services().people.accounts.page(
        principal(), request.args.get("after", ""), _PAGE + 1, username=wanted or None
    )
    after = found[_PAGE - 1].name_folded if len(found) > _PAGE else ""
    return render("operator_people.html", people=found[:_PAGE], after=after, wanted=wanted, tab="people")


@blueprint.get("/operator/people/<user_id>")
def show_person(user_id: str) -> Response:
    """Show one account."""
    return _person(user_id)


@blueprint.post("/operator/people/<user_id>/state")
def set_state(user_id: str) -> Response:
    """Disable an account, which ends its sessions, or enable it again."""
    accounts, is_active = services().people.accounts, field("state") == "active"
    return _change(user_id, lambda unit: accounts.set_state(unit, principal(), user_id, active=is_active))


@blueprint.post("/operator/people/<user_id>/role")
def set_role(user_id: str) -> Response:
    """Change an account's role. Its sessions end. To make an operator, the name must be typed again."""
    try:
        role = Role(field("role"))
    except ValueError:
        raise InvalidInput("The role must be user or operator.", path="role") from None
    name = services().people.accounts.get(principal(), user_id).name
    if role is Role.OPERATOR and fold_username(field("confirm")) != fold_username(name):
        error = InvalidInput("To make an operator, type the username again.", path="operator")
        return _person(user_id, refused(error), {"operator": error.message})
    return _change(user_id, lambda unit: services().people.accounts.set_role(unit, principal(), user_id, role))


@blueprint.post("/operator/people/<user_id>/end-sessions")
def end_sessions(user_id: str) -> Response:
    """End all sessions of a person and, if it was selected, the tokens that they made."""
    ending, end_tokens = services().people.ending, field("tokens") == "end"
    return _change(user_id, lambda unit: ending.of_person(unit, principal(), user_id, end_tokens=end_tokens))


@blueprint.post("/operator/people/<user_id>/reset-factors")
def reset_factors(user_id: str) -> Response:
    """Remove all second factors of a person who has lost them. The account's sessions end."""
    name = services().people.accounts.get(principal(), user_id).name
    return _change(user_id, lambda unit: services().people.factors.reset(unit, principal(), name))


@blueprint.post("/operator/people/<user_id>/erase")
def erase(user_id: str) -> Response:
    """Erase a person for good, after the name was typed again. The report is shown only in this answer."""
    name = services().people.accounts.get(principal(), user_id).name
    try:
        report = transaction(
            lambda unit: services().people.erasure.person(unit, principal(), user_id, field("confirm"))
        )
    except InvalidInput as error:
        return _person(user_id, refused(error), {"confirm": error.message})
    return render("operator_erased.html", report=report, name=name, tab="people")


def _change(user_id: str, action: Callable[[UnitOfWork], object]) -> Response:
    if user_id == principal().user_id:
        raise Conflict("This is your own account. Another operator can change it, or use the command on the host.")
    transaction(action)
    return see(f"{_HOME}/{user_id}", "person-changed")


def _person(user_id: str, status: int = 200, faults: dict[str, str] | None = None) -> Response:
    person = services().people.accounts.get(principal(), user_id)
    return render("operator_person.html", status, person=person, faults=faults or {}, tab="people")
