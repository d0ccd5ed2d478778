"""Logging in and out."""

from __future__ import annotations

import re

from flask import Response, g, request

from vault.auth import COOKIE
from vault.errors import BadLogin, SecondFactorRequired, StrongroomError, TooManyRequests
from vault.observe import metrics
from vault.services.sessions import NewSession
from vault.storage import Record
from vault.web import problems
from vault.web.blueprint import new_blueprint, public
from vault.web.pages import field, principal, render, see, services, transaction

blueprint = new_blueprint("login")

_PATH = re.compile(r"/(?![/\\])[\x21-\x7e]*")


@blueprint.get("/login")
@public
def show_login() -> Response:
    """The login page; whoever is logged in goes on."""
    wanted = _local(request.args.get("next", ""))
    if g.get("principal") is not None:
        return see(wanted)
    return render("login.html", wanted=wanted, username="", error="")


@blueprint.post("/login")
@public
def log_in() -> Response:
    """Log in with a username and a password."""
    wanted, username = _local(field("next")), field("username")
    try:
        user = _authenticated(username, field("password"))
    except (BadLogin, TooManyRequests) as error:
        problems.audited(error)
        return render("login.html", problems.status_of(error), wanted=wanted, username=username, error=error.message)
    return with_session(see(wanted), begin(user))


@blueprint.post("/logout")
def log_out() -> Response:
    """End this session on the server, and have the browser forget the site."""
    transaction(lambda unit: services().sessions.revoke(unit, principal(), principal().id))
    response = see("/login", "logged-out")
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="Strict")
    response.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'
    return response


def begin(user: Record) -> NewSession:
    """A new session for a user who has just proven who they are."""
    address, agent = request.remote_addr or "", request.headers.get("User-Agent", "")
    request_id = str(request.environ.get("strongroom.request_id", ""))
    return transaction(lambda unit: services().sessions.begin(unit, user, "web", address, agent, request_id))


def with_session(response: Response, session: NewSession) -> Response:
    """The answer with the session's cookie. It goes with the browser; how long it counts, the server decides."""
    response.set_cookie(COOKIE, session.secret, secure=True, httponly=True, samesite="Strict")
    return response


def _authenticated(username: str, password: str) -> Record:
    outcome = "ok"
    try:
        return services().accounts.authenticate(username, password, request.remote_addr or "")
    except StrongroomError as error:
        refusals = {BadLogin: "refused", TooManyRequests: "throttled", SecondFactorRequired: "second_factor"}
        outcome = refusals.get(type(error), "failed")
        raise
    finally:
        metrics().logins.labels(outcome=outcome).inc()


def _local(path: str) -> str:
    """A path of this site; the first page for whatever could lead elsewhere."""
    return path if _PATH.fullmatch(path) else "/"
