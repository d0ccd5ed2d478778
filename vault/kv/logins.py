"""`auth/userpass` and `auth/approle`: logins, which need no token and ignore a stale one."""

from __future__ import annotations

from flask import Response, g, request

from vault.crypto import TokenKind, from_parts
from vault.errors import (
    BadLogin,
    InvalidInput,
    NotAuthenticated,
    SecondFactorRequired,
    StrongroomError,
    TooManyRequests,
)
from vault.kv import calls
from vault.kv.calls import WRITES, body, envelope, public, services, text, transaction
from vault.kv.tokens import auth_of_session, auth_of_token
from vault.storage import Record

blueprint = calls.new_blueprint("logins")

_REFUSALS = {BadLogin: "refused", TooManyRequests: "throttled", SecondFactorRequired: "second_factor"}


@blueprint.route("/auth/userpass/login/<user>", methods=WRITES)
@public
def userpass(user: str) -> Response:
    """A session of the API for a name and a password."""
    person = _authenticated(user, text(body(), "password"))
    agent = request.headers.get("User-Agent", "")
    begun = transaction(
        lambda unit: services().sessions.begin(unit, person, "api", calls.address(), agent, calls.request_id())
    )
    g.principal = services().sessions.authenticate(begun.secret, "api", calls.address(), calls.request_id())
    return envelope(auth=auth_of_session(begun.row, begun.user, begun.secret))


@blueprint.route("/auth/approle/login", methods=WRITES)
@public
def approle() -> Response:
    """A short-lived child of the token whose 12-character id is the role, and whose secret is the secret id."""
    services().instance.require_unlocked()
    document = body()
    role_id, secret_id = text(document, "role_id"), text(document, "secret_id")
    try:
        secret = from_parts(TokenKind.SERVICE, role_id, secret_id)
        g.principal = services().token_holders.authenticate(secret, calls.address(), calls.request_id())
    except NotAuthenticated:
        calls.count_login("refused")
        raise InvalidInput("invalid role or secret ID") from None
    made = transaction(lambda unit: services().tokens.log_in(unit, g.principal))
    calls.count_login("ok")
    return envelope(auth=auth_of_token(made))


def _authenticated(username: str, password: str) -> Record:
    outcome = "ok"
    try:
        return services().accounts.authenticate(username, password, calls.address())
    except StrongroomError as error:
        outcome = _REFUSALS.get(type(error), "failed")
        raise
    finally:
        calls.count_login(outcome)
