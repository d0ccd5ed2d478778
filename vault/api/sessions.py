"""`/sessions`: log in, log out, see where one is logged in. The two calls that take a password stand first."""

from __future__ import annotations

from typing import Any

from flask import request

from vault.api.calls import address, principal, public, services, writes
from vault.api.parser import StrictBlueprint
from vault.api.problems import request_id
from vault.api.schemas import LoginBody, NewSessionAnswer, PasswordBody, SessionPage
from vault.errors import BadLogin, SecondFactorRequired, StrongroomError, TooManyRequests
from vault.observe import metrics
from vault.services.sessions import NewSession
from vault.storage import Record, UnitOfWork

blueprint = StrictBlueprint("sessions", __name__, description="Logging in and out.")


@blueprint.route("/sessions", methods=["POST"])
@public
@blueprint.arguments(LoginBody)
@blueprint.response(201, NewSessionAnswer)
@blueprint.doc(security=[])
def log_in(body: dict[str, Any]) -> NewSession:
    """Log in with a username and a password."""
    user = _authenticated(body["username"], body["password"])
    with services().storage.write() as unit:
        return services().sessions.begin(unit, user, "api", address(), _agent(), request_id())


@blueprint.route("/sessions/step-up", methods=["POST"])
@blueprint.arguments(PasswordBody)
@blueprint.response(201, NewSessionAnswer)
def step_up(body: dict[str, Any]) -> NewSession:
    """Give the password again: a fresh session takes the place of the one that asks."""
    principal().require_person()
    user = _authenticated(principal().username, body["password"])
    with services().storage.write() as unit:
        return services().sessions.replace(unit, principal(), user, _agent())


@blueprint.route("/sessions", methods=["GET"])
@blueprint.response(200, SessionPage)
def list_sessions() -> dict[str, Any]:
    """Where I am logged in."""
    rows = services().sessions.list(principal())
    items = [{**row._mapping, "current": row.id == principal().id} for row in rows]
    return {"items": items, "next": None}


@blueprint.route("/sessions/<session_id>", methods=["DELETE"])
@writes
@blueprint.response(204)
def revoke_session(session_id: str, unit: UnitOfWork) -> None:
    """End one of my sessions."""
    services().sessions.revoke(unit, principal(), session_id)


@blueprint.route("/sessions", methods=["DELETE"])
@writes
@blueprint.response(204)
def revoke_sessions(unit: UnitOfWork) -> None:
    """End all my sessions, this one too."""
    services().sessions.revoke_own(unit, principal())


def _authenticated(username: str, password: str) -> Record:
    outcome = "ok"
    try:
        return services().accounts.authenticate(username, password, address())
    except StrongroomError as error:
        refusals = {BadLogin: "refused", TooManyRequests: "throttled", SecondFactorRequired: "second_factor"}
        outcome = refusals.get(type(error), "failed")
        raise
    finally:
        metrics().logins.labels(outcome=outcome).inc()


def _agent() -> str:
    return request.headers.get("User-Agent", "")
