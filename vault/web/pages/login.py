"""Log in and out: with a password, and a second factor if the account has one; or with a passkey alone."""

from __future__ import annotations

from contextlib import suppress

from flask import Response, g, request

from vault.errors import BadSecondFactor, InvalidInput, NotFound
from vault.http import answers_duty, principal, public, services, takes_password, transaction, visit
from vault.model.budgets import RouteClass
from vault.services.people.sessions import NewSession
from vault.web.frame.blueprint import new_blueprint
from vault.web.frame.problems import refused
from vault.web.frame.request import field, render, see
from vault.web.pages.login_steps import (
    NOT_LET_IN,
    Step,
    after_password,
    forgotten,
    local,
    proof,
    proven,
    second_page,
    told_to_script,
)

blueprint = new_blueprint("login", RouteClass.SESSION)

PATH = "/login"


@blueprint.get(PATH)
@public
def show_login() -> Response:
    """Show the login page. A person who is logged in already is redirected."""
    wanted = local(request.args.get("next", ""))
    if g.get("principal") is not None:
        return see(wanted)
    return render("login.html", wanted=wanted, username="", error="")


@blueprint.post(PATH)
@public
@takes_password
def log_in() -> Response:
    """Log in with a username and a password. The session that this browser had ends."""
    wanted, username = local(field("next")), field("username")
    try:
        begun = services().people.logins.begin(username, field("password"), visit("web"))
    except NOT_LET_IN as error:
        return render("login.html", refused(error), wanted=wanted, username=username, error=error.message)
    if isinstance(begun, NewSession):
        _end_first()
    return after_password(begun, wanted, PATH)


@blueprint.post("/login/passkey")
@public
def begin_passkey() -> Response:
    """Ask the browser for any passkey. For our script."""
    return told_to_script(services().people.logins.begin_passkey(visit("web")))


@blueprint.post("/login/second")
@public
def log_in_second() -> Response:
    """Complete a login with a second factor."""
    step = Step.sent()
    try:
        begun = services().people.logins.complete(step.challenge, proof(), visit("web"))
    except (BadSecondFactor, InvalidInput) as error:
        return second_page(step, PATH, error)
    _end_first()
    return proven(begun, step.wanted)


@blueprint.post("/logout")
@answers_duty
def log_out() -> Response:
    """End this session on the server, and clear the site's data in the browser."""
    transaction(lambda unit: services().people.sessions.revoke(unit, principal(), principal().id))
    return forgotten(see("/login", "logged-out"))


def _end_first() -> None:
    """End the session whose cookie the new one replaces. Otherwise nobody could end it from this browser any more."""
    first = g.get("principal")
    if first is not None:
        with suppress(NotFound):
            transaction(lambda unit: services().people.sessions.revoke(unit, first, first.id))
