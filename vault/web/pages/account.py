"""My account: change the password, delete the account."""

from __future__ import annotations

from flask import Response

from vault.errors import BadLogin, Conflict, InvalidInput, TooManyRequests
from vault.http import answers_duty, principal, public, services, takes_password, transaction, visit
from vault.model.budgets import RouteClass
from vault.web.frame.blueprint import new_blueprint
from vault.web.frame.problems import refused
from vault.web.frame.request import field, render, see
from vault.web.pages.login_steps import forgotten, with_session

blueprint = new_blueprint("account", RouteClass.SESSION)


@blueprint.get("/.well-known/change-password")
@public
def find_password() -> Response:
    """Redirect password managers to the form for a new password (W3C, "A Well-Known URL for Changing Passwords")."""
    return see("/security/password")


@blueprint.get("/security/password")
@answers_duty
def show_password() -> Response:
    """Show the form for a new password."""
    _require_both_factors()
    return _password_page()


@blueprint.post("/security/password")
@answers_duty
@takes_password
def change_password() -> Response:
    """Change my password. My other sessions end, and this one continues with a new secret."""
    if field("new") != field("again"):
        return _password_page(422, {"again": "The two passwords are different."})
    try:
        proof = services().people.accounts.prepare_password(principal(), field("current"), field("new"))
        changed = transaction(
            lambda unit: services().people.ending.change_password(unit, principal(), proof, visit("web"))
        )
    except (InvalidInput, BadLogin, TooManyRequests) as error:
        return _password_page(refused(error), {"new" if isinstance(error, InvalidInput) else "current": error.message})
    response = see("/security/made-tokens" if changed.tokens else "/security", "password-changed")
    return response if changed.session is None else with_session(response, changed.session)


@blueprint.get("/security/delete")
def show_delete() -> Response:
    """Show what deleting the account does."""
    _require_both_factors()
    return _delete_page()


@blueprint.post("/security/delete")
@takes_password
def delete_account() -> Response:
    """Delete my account and everything in it, for good."""
    if field("username") != principal().username:
        return _delete_page(422, {"username": "This is not the name of your account."})
    try:
        proof = services().people.accounts.prove(principal(), field("password"))
        services().storage.transaction(lambda unit: services().people.erasure.own(unit, principal(), proof))
    except (BadLogin, TooManyRequests) as error:
        return _delete_page(refused(error), {"password": error.message})
    except Conflict as error:
        # The last operator's account cannot be deleted.
        return _delete_page(refused(error), {"username": error.message})
    return forgotten(see("/login", "account-gone"))


def _require_both_factors() -> None:
    """Ask for the proof that the service will need, before the form is filled in."""
    if principal().has_second_factor:
        principal().require_recent_proof(services().clock())


def _password_page(status: int = 200, faults: dict[str, str] | None = None) -> Response:
    return render("password.html", status, faults=faults or {})


def _delete_page(status: int = 200, faults: dict[str, str] | None = None) -> Response:
    return render("delete_account.html", status, faults=faults or {})
