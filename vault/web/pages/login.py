"""Logging in and out: a password, and a second factor where the account has one; or a passkey alone."""

from __future__ import annotations

from flask import Response, g, request

from vault.errors import BadLogin, BadSecondFactor, InvalidInput, SecondFactorRequired, TooManyRequests
from vault.http import principal, public, recorded, services, takes_password, transaction, visit
from vault.model.budgets import RouteClass
from vault.web.frame.blueprint import new_blueprint
from vault.web.frame.problems import status_of
from vault.web.frame.request import field, render, see
from vault.web.pages.proving import Step, forgotten, local, proof, proven, second_page, told_to_script

blueprint = new_blueprint("login", RouteClass.SESSION)


@blueprint.get("/login")
@public
def show_login() -> Response:
    """The login page; whoever is logged in goes on."""
    wanted = local(request.args.get("next", ""))
    if g.get("principal") is not None:
        return see(wanted)
    return render("login.html", wanted=wanted, username="", error="")


@blueprint.post("/login")
@public
@takes_password
def log_in() -> Response:
    """Log in with a username and a password."""
    wanted, username = local(field("next")), field("username")
    try:
        return proven(services().people.logins.begin(username, field("password"), visit("web")), wanted)
    except SecondFactorRequired as needed:
        if needed.challenge_id:
            return second_page(Step.asked(needed, wanted), "/login/second", "/login")
        error: BadLogin | TooManyRequests | SecondFactorRequired = needed
    except (BadLogin, TooManyRequests) as refused:
        error = refused
    recorded(error)
    return render("login.html", status_of(error), wanted=wanted, username=username, error=error.message)


@blueprint.post("/login/passkey")
@public
def begin_passkey() -> Response:
    """Ask for a passkey of whoever it is; for our script."""
    return told_to_script(services().people.logins.begin_passkey(visit("web")))


@blueprint.post("/login/second")
@public
def log_in_second() -> Response:
    """Log in with what is still missing."""
    step = Step.sent()
    try:
        return proven(services().people.logins.complete(step.challenge, proof(), visit("web")), step.wanted)
    except (BadSecondFactor, InvalidInput) as error:
        return second_page(step, "/login/second", "/login", error)


@blueprint.post("/logout")
def log_out() -> Response:
    """End this session on the server, and have the browser forget the site."""
    transaction(lambda unit: services().people.sessions.revoke(unit, principal(), principal().id))
    return forgotten(see("/login", "logged-out"))
