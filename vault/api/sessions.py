"""`/sessions`: log in, prove oneself again, log out, see where one is logged in.

An account with a second factor is answered with 401 `second_factor_required` and a `challenge`, which the call below
`/challenges/{id}` completes.
"""

from __future__ import annotations

from typing import Any

from vault.api.calls import writes
from vault.api.parser import StrictBlueprint
from vault.api.schemas.factors import ProofBody
from vault.api.schemas.people import PasswordBody
from vault.api.schemas.sessions import ChallengeAnswer, LoginBody, NewSessionAnswer, SessionPage
from vault.errors import SecondFactorRequired
from vault.http import principal, public, services, takes_password, visit
from vault.services.people.factors import Challenge
from vault.services.people.logins import Proof
from vault.services.people.sessions import NewSession
from vault.storage import UnitOfWork

blueprint = StrictBlueprint("sessions", __name__, description="Logging in and out.")


@blueprint.route("/sessions", methods=["POST"])
@public
@takes_password
@blueprint.arguments(LoginBody)
@blueprint.response(201, NewSessionAnswer)
@blueprint.doc(security=[])
def log_in(body: dict[str, Any]) -> NewSession:
    """Log in with a username and a password; where that is not enough, 401 with a challenge."""
    return _session(services().people.logins.begin(body["username"], body["password"], visit("api")))


@blueprint.route("/sessions/challenges", methods=["POST"])
@public
@blueprint.response(201, ChallengeAnswer)
@blueprint.doc(security=[])
def sign_in() -> Challenge:
    """Begin to sign in with a passkey alone."""
    return services().people.logins.begin_passkey(visit("api"))


@blueprint.route("/sessions/challenges/<challenge_id>", methods=["POST"])
@public
@blueprint.arguments(ProofBody)
@blueprint.response(201, NewSessionAnswer)
@blueprint.doc(security=[])
def complete_log_in(body: dict[str, Any], challenge_id: str) -> NewSession:
    """Complete a login with exactly one of a code, a recovery code and what a passkey has signed."""
    return services().people.logins.complete(challenge_id, Proof(**body), visit("api"))


@blueprint.route("/sessions/step-up", methods=["POST"])
@takes_password
@blueprint.arguments(PasswordBody)
@blueprint.response(201, NewSessionAnswer)
def step_up(body: dict[str, Any]) -> NewSession:
    """Give the password again: a fresh session takes the place of the one that asks, or 401 with a challenge."""
    return _session(services().people.logins.step_up(principal(), body["password"], visit("api")))


@blueprint.route("/sessions/step-up/challenges", methods=["POST"])
@blueprint.response(201, ChallengeAnswer)
def step_up_with_passkey() -> Challenge:
    """Begin to step up with a passkey alone."""
    return services().people.logins.begin_passkey_step_up(principal(), visit("api"))


@blueprint.route("/sessions/step-up/challenges/<challenge_id>", methods=["POST"])
@blueprint.arguments(ProofBody)
@blueprint.response(201, NewSessionAnswer)
def complete_step_up(body: dict[str, Any], challenge_id: str) -> NewSession:
    """Complete a step-up, as a login; only the session that began it can."""
    return services().people.logins.complete_step_up(principal(), challenge_id, Proof(**body), visit("api"))


@blueprint.route("/sessions", methods=["GET"])
@blueprint.response(200, SessionPage)
def list_sessions() -> dict[str, Any]:
    """Where I am logged in."""
    rows = services().people.sessions.list(principal())
    items = [{**row.values(), "current": row.id == principal().id} for row in rows]
    return {"items": items, "next": None}


@blueprint.route("/sessions/<session_id>", methods=["DELETE"])
@writes
@blueprint.response(204)
def revoke_session(session_id: str, unit: UnitOfWork) -> None:
    """End one of my sessions."""
    services().people.sessions.revoke(unit, principal(), session_id)


@blueprint.route("/sessions", methods=["DELETE"])
@writes
@blueprint.response(204)
def revoke_sessions(unit: UnitOfWork) -> None:
    """End all my sessions, this one too."""
    services().people.sessions.revoke_own(unit, principal())


def _session(begun: NewSession | Challenge) -> NewSession:
    """The session. Raises `SecondFactorRequired` for a challenge, which the answer 401 tells."""
    if isinstance(begun, NewSession):
        return begun
    raise SecondFactorRequired(
        challenge_id=begun.id, kinds=begun.kinds, expires_us=begun.expires_us, passkey=begun.passkey
    )
