"""`auth/userpass` and `auth/approle`: logins. They need no token, and ignore an expired one."""

from __future__ import annotations

from flask import Response, g

from vault.crypto import TokenKind, from_parts
from vault.errors import InvalidInput, NotAuthenticated
from vault.http import address, public, request_id, services, takes_password, transaction, visit
from vault.kv import guard, wrapped
from vault.kv.address import WRITES
from vault.kv.bodies import body, text
from vault.kv.envelope import envelope
from vault.kv.tokens import auth_of_session, auth_of_token
from vault.services.people.counting import counted
from vault.services.tokens.views import TokenView

blueprint = guard.new_blueprint("logins")


@blueprint.route("/auth/userpass/login/<user>", methods=WRITES)
@public
@takes_password
def userpass(user: str) -> Response:
    """Start an API session with a username and a password."""
    person = services().people.accounts.authenticate(user, text(body(), "password"), address())
    wrapped.reserve(person.id, None)
    begun = transaction(lambda unit: services().people.sessions.begin(unit, person, visit("api")))
    g.principal = services().people.sessions.authenticate(begun.secret, "api", address(), request_id())
    return envelope(auth=auth_of_session(begun))


@blueprint.route("/auth/approle/login", methods=WRITES)
@public
def approle() -> Response:
    """Create a short-lived child of a token. The role is the token's 12-character id, and the secret id is its
    secret.
    """
    services().instance.require_unlocked()
    document = body()
    role_id, secret_id = text(document, "role_id"), text(document, "secret_id")
    try:
        made = _log_in(role_id, secret_id)
    except NotAuthenticated:
        raise InvalidInput("invalid role or secret ID") from None
    return envelope(auth=auth_of_token(made))


@counted
def _log_in(role_id: str, secret_id: str) -> TokenView:
    secret = from_parts(TokenKind.SERVICE, role_id, secret_id)
    g.principal = services().tokens.holders.authenticate(secret, address(), request_id())
    wrapped.reserve_for(g.principal)
    return transaction(lambda unit: services().tokens.tokens.log_in(unit, g.principal))
