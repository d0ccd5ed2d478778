"""`/sessions`: log in, confirm one's identity (step up), log out, list sessions.

If an account has a second factor, the answer is 401 `second_factor_required` with a `challenge`. A call to
`/challenges/{id}` completes it.
"""

from __future__ import annotations

from dataclasses import asdict

from vault.api.calls import writes
from vault.api.paging import Items
from vault.api.parser import StrictBlueprint
from vault.api.schemas.ending import EndedAnswer, EndTokensQuery
from vault.api.schemas.factors import ProofBody
from vault.api.schemas.people import PasswordBody
from vault.api.schemas.sessions import ChallengeAnswer, LoginBody, NewSessionAnswer, SessionPage
from vault.errors import SecondFactorRequired
from vault.http import answers_duty, principal, public, services, takes_password, visit
from vault.services.people.ending import Ended
from vault.services.people.factors import Challenge
from vault.services.people.logins import Proof
from vault.services.people.sessions import NewSession
from vault.storage import UnitOfWork

blueprint = StrictBlueprint("sessions", __name__, description="Log in and out.")


@blueprint.route("/sessions", methods=["POST"])
@public
@takes_password
@blueprint.arguments(LoginBody)
@blueprint.response(201, NewSessionAnswer)
@blueprint.doc(security=[])
def log_in(username: str, password: str) -> NewSession:
    """Log in with a username and a password. If a second factor is needed, the answer is 401 with a challenge."""
    return _session(services().people.logins.begin(username, password, visit("api")))


@blueprint.route("/sessions/challenges", methods=["POST"])
@public
@blueprint.response(201, ChallengeAnswer)
@blueprint.doc(security=[])
def sign_in() -> Challenge:
    """Start a login with a passkey alone."""
    return services().people.logins.begin_passkey(visit("api"))


@blueprint.route("/sessions/challenges/<id:challenge_id>", methods=["POST"])
@public
@blueprint.arguments(ProofBody)
@blueprint.response(201, NewSessionAnswer)
@blueprint.doc(security=[])
def complete_log_in(proof: Proof, challenge_id: str) -> NewSession:
    """Complete a login with exactly one of: a code, a recovery code, a passkey's credential."""
    return services().people.logins.complete(challenge_id, proof, visit("api"))


@blueprint.route("/sessions/step-up", methods=["POST"])
@answers_duty
@takes_password
@blueprint.arguments(PasswordBody)
@blueprint.response(201, NewSessionAnswer)
def step_up(password: str) -> NewSession:
    """Confirm my identity with my password. A new session replaces this one, or the answer is 401 with a challenge."""
    return _session(services().people.logins.step_up(principal(), password, visit("api")))


@blueprint.route("/sessions/step-up/challenges", methods=["POST"])
@answers_duty
@blueprint.response(201, ChallengeAnswer)
def step_up_with_passkey() -> Challenge:
    """Start a step-up with a passkey alone."""
    return services().people.logins.begin_passkey_step_up(principal(), visit("api"))


@blueprint.route("/sessions/step-up/challenges/<id:challenge_id>", methods=["POST"])
@answers_duty
@blueprint.arguments(ProofBody)
@blueprint.response(201, NewSessionAnswer)
def complete_step_up(proof: Proof, challenge_id: str) -> NewSession:
    """Complete a step-up like a login. Only the session that started it can do so."""
    return services().people.logins.complete_step_up(principal(), challenge_id, proof, visit("api"))


@blueprint.route("/sessions", methods=["GET"])
@answers_duty
@blueprint.response(200, SessionPage)
def list_sessions() -> Items:
    """List my sessions."""
    found = services().people.sessions.list(principal())
    items = [{**asdict(session), "current": session.id == principal().id} for session in found]
    return {"items": items, "next": None}


@blueprint.route("/sessions/<id:session_id>", methods=["DELETE"])
@answers_duty
@writes
@blueprint.response(204)
def revoke_session(unit: UnitOfWork, session_id: str) -> None:
    """End one of my sessions."""
    services().people.sessions.revoke(unit, principal(), session_id)


@blueprint.route("/sessions", methods=["DELETE"])
@answers_duty
@blueprint.arguments(EndTokensQuery, location="query")
@writes
@blueprint.response(200, EndedAnswer)
def revoke_sessions(unit: UnitOfWork, end_tokens: bool) -> Ended:
    """End all my sessions, also this one. The answer says which tokens they made. They keep working unless `end_tokens`
    is true.
    """
    return services().people.ending.own(unit, principal(), end_tokens=end_tokens)


def _session(begun: NewSession | Challenge) -> NewSession:
    """Return the session. Raises `SecondFactorRequired` for a challenge."""
    if isinstance(begun, NewSession):
        return begun
    raise SecondFactorRequired(
        challenge_id=begun.id, kinds=begun.kinds, expires_us=begun.expires_us, passkey=begun.passkey
    )
