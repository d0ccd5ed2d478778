"""`auth/token/…`: look up, create, renew and revoke tokens. A session can be looked up as a token too."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response

from vault.errors import InvalidInput, NotFound, NotGranted
from vault.http import answers_duty, principal, services, transaction
from vault.kv import guard
from vault.kv.address import WRITES
from vault.kv.bodies import body, mapping, text
from vault.kv.duration import seconds_of
from vault.kv.envelope import envelope, moment, nothing
from vault.kv.guard import credential
from vault.kv.policies import EVERYTHING, grants_of, policies_of
from vault.model.clock import SECOND_US
from vault.model.json_types import Json, JsonObject
from vault.model.principal import PrincipalKind
from vault.model.strict_json import WrittenJson
from vault.services.people.sessions import NewSession, SessionView
from vault.services.tokens.request import DEFAULT_TTL_SECONDS, TokenRequest
from vault.services.tokens.views import TokenView

blueprint = guard.new_blueprint("tokens")

_NOT_OFFERED = ("id", "no_parent", "entity_alias")
_ACCESSORS_MOST = 10_000
_NAMES = {
    "name": "display_name", "grants": "policies", "ttl_seconds": "ttl", "max_ttl_seconds": "explicit_max_ttl",
    "uses": "num_uses", "metadata": "meta",
}  # fmt: skip
"""The names that Vault clients use for the fields of a `TokenRequest`."""


@blueprint.route("/auth/token/lookup-self", methods=["GET", *WRITES])
def look_up_self() -> Response:
    """Describe the credential of this call."""
    if principal().kind is PrincipalKind.TOKEN:
        return _told(services().tokens.tokens.get(principal(), principal().id), credential())
    return envelope(_facts_of_session(_own_session()))


@blueprint.route("/auth/token/lookup", methods=WRITES)
def look_up() -> Response:
    """Describe a token by its secret."""
    secret = text(body(), "token")
    return look_up_self() if secret == credential() else _told(_of_secret(secret), secret)


@blueprint.route("/auth/token/lookup-accessor", methods=WRITES)
def look_up_accessor() -> Response:
    """Describe a token by its accessor, without its secret."""
    return _told(_of_accessor(text(body(), "accessor")), "")


@blueprint.route("/auth/token/accessors", methods=["LIST", "GET"])
def list_accessors() -> Response:
    """List the accessors of a person's tokens. A token sees its own and those of the tokens that it made."""
    found = services().tokens.tokens.accessors(principal(), _ACCESSORS_MOST + 1)
    if not found:
        raise NotFound()
    # Vault clients do not ask for further pages, but they show warnings.
    warnings = [f"Only the oldest {_ACCESSORS_MOST} are listed."] if len(found) > _ACCESSORS_MOST else None
    return envelope({"keys": list(found[:_ACCESSORS_MOST])}, warnings=warnings)


@blueprint.route("/auth/token/create", methods=WRITES)
def create() -> Response:
    """Create a child of this token, or a token of this person. Its grants are at most what the caller may delegate."""
    document = body()
    for name in _NOT_OFFERED:
        if document.get(name):
            raise InvalidInput("This is not supported.", path=name)
    if _seconds(document, "period") is not None:
        raise InvalidInput("Periodic tokens are not supported.", path="period")
    if document.get("type") not in (None, "", "service", "default"):
        raise InvalidInput("Only service tokens are supported.", path="type")
    request = TokenRequest(
        name=_name(document),
        grants=grants_of(document.get("policies"), principal()),
        metadata=_metadata(document),
        renewable=document.get("renewable", True) is True,
        uses=_uses(document),
        max_ttl_seconds=_seconds(document, "explicit_max_ttl"),
        ttl_seconds=_ttl(document),
    )
    try:
        made = transaction(lambda unit: services().tokens.tokens.create(unit, principal(), request))
    except InvalidInput as error:
        error.path = _NAMES.get(error.path, error.path)
        raise
    return envelope(auth=auth_of_token(made))


@blueprint.route("/auth/token/renew-self", methods=WRITES)
def renew_self() -> Response:
    """Renew the token of this call."""
    if principal().kind is not PrincipalKind.TOKEN:
        raise InvalidInput("A session cannot be renewed. Each use extends it, until its maximum lifetime.")
    return _renewed(principal().id, credential())


@blueprint.route("/auth/token/renew", methods=WRITES)
def renew() -> Response:
    """Renew a token by its secret."""
    secret = text(body(), "token")
    return renew_self() if secret == credential() else _renewed(_of_secret(secret).id, secret)


@blueprint.route("/auth/token/renew-accessor", methods=WRITES)
def renew_accessor() -> Response:
    """Renew a token by its accessor."""
    return _renewed(_of_accessor(text(body(), "accessor")).id, "")


@blueprint.route("/auth/token/revoke-self", methods=WRITES)
@answers_duty
def revoke_self() -> Response:
    """Revoke the credential of this call."""
    service = services().tokens.tokens if principal().kind is PrincipalKind.TOKEN else services().people.sessions
    transaction(lambda unit: service.revoke(unit, principal(), principal().id))
    return nothing()


@blueprint.route("/auth/token/revoke", methods=WRITES)
def revoke() -> Response:
    """Revoke a token by its secret, and all tokens that it made."""
    secret = text(body(), "token")
    return revoke_self() if secret == credential() else _revoked(_of_secret(secret))


@blueprint.route("/auth/token/revoke-accessor", methods=WRITES)
def revoke_accessor() -> Response:
    """Revoke a token by its accessor, and all tokens that it made."""
    return _revoked(_of_accessor(text(body(), "accessor")))


def auth_of_token(view: TokenView, secret: str | None = None) -> JsonObject:
    """Return a token in the form of a login's answer."""
    return _auth(
        client_token=view.secret if secret is None else secret,
        accessor=view.accessor,
        policies=policies_of(view.grants),
        metadata=view.metadata,
        lease_duration=_left_seconds(view.expires_us),
        renewable=view.renewable,
        orphan=view.parent_id is None,
        num_uses=view.uses_left or 0,
    )


def auth_of_session(begun: NewSession) -> JsonObject:
    """Return a session in the form of a login's answer. Each use extends it, so it is not renewable."""
    return _auth(
        client_token=begun.secret,
        accessor=begun.session.id,
        policies=policies_of(EVERYTHING),
        metadata={"username": begun.user.name},
        lease_duration=_left_seconds(begun.session.expires_us),
        renewable=False,
        orphan=True,
        num_uses=0,
    )


def _auth(*, policies: list[str], **facts: Json) -> JsonObject:
    always: JsonObject = {"entity_id": "", "token_type": "service", "mfa_requirement": None}
    return {**facts, "policies": policies, "token_policies": policies, **always}


def _told(view: TokenView, secret: str) -> Response:
    facts: JsonObject = {
        "id": secret,
        "accessor": view.accessor,
        "policies": policies_of(view.grants),
        "path": "auth/token/create",
        "meta": view.metadata or None,
        "display_name": view.name,
        "num_uses": view.uses_left or 0,
        "orphan": view.parent_id is None,
        "creation_ttl": view.ttl_seconds or 0,
        "explicit_max_ttl": view.max_ttl_seconds or 0,
        "renewable": view.renewable,
    }
    return envelope(facts | _times(view))


def _facts_of_session(session: SessionView) -> JsonObject:
    facts: JsonObject = {
        "id": credential(),
        "accessor": session.id,
        "policies": policies_of(EVERYTHING),
        "path": f"auth/userpass/login/{principal().username}",
        "meta": {"username": principal().username},
        "display_name": principal().username,
        "num_uses": 0,
        "orphan": True,
        "creation_ttl": (session.expires_us - session.created_us) // SECOND_US,
        "explicit_max_ttl": 0,
        "renewable": False,
    }
    return facts | _times(session)


def _times(view: TokenView | SessionView) -> JsonObject:
    return {
        "creation_time": view.created_us // SECOND_US,
        "issue_time": moment(view.created_us),
        "expire_time": moment(view.expires_us) if view.expires_us is not None else None,
        "ttl": _left_seconds(view.expires_us),
        "entity_id": "",
        "type": "service",
    }


def _left_seconds(expires_us: int | None) -> int:
    """Return how long it is valid, rounded up: a token for 300 seconds says 300. As in Vault, 0 means for ever."""
    return 0 if expires_us is None else max(1, -((services().clock() - expires_us) // SECOND_US))


def _own_session() -> SessionView:
    mine = services().people.sessions.list(principal())
    found = next((session for session in mine if session.id == principal().id), None)
    if found is None:
        raise NotGranted()
    return found


def _of_secret(secret: str) -> TokenView:
    try:
        return services().tokens.tokens.of_secret(principal(), secret)
    except NotFound:
        # Answer the same for an invalid token and for another person's, as Vault does.
        raise NotGranted() from None


def _of_accessor(accessor: str) -> TokenView:
    try:
        return services().tokens.tokens.of_accessor(principal(), accessor)
    except NotFound:
        # Answer the same for an accessor that never was, an ended token and another person's.
        raise InvalidInput("invalid accessor") from None


def _renewed(token_id: str, secret: str) -> Response:
    seconds = _seconds(body(), "increment")
    view = transaction(lambda unit: services().tokens.tokens.renew(unit, principal(), token_id, seconds))
    return envelope(auth=auth_of_token(view, secret))


def _revoked(view: TokenView) -> Response:
    transaction(lambda unit: services().tokens.tokens.revoke(unit, principal(), view.id))
    return nothing()


def _seconds(document: Mapping[str, WrittenJson], name: str) -> int | None:
    """Return a duration from the body. Returns None if it is absent or zero: for Vault, zero means the default."""
    found = document.get(name)
    return None if found is None else seconds_of(found, name) or None


def _ttl(document: Mapping[str, WrittenJson]) -> int:
    return _seconds(document, "ttl") or _seconds(document, "lease") or DEFAULT_TTL_SECONDS


def _name(document: Mapping[str, WrittenJson]) -> str:
    name = document.get("display_name") or "token"
    if not isinstance(name, str):
        raise InvalidInput("This must be a string.", path="display_name")
    return name


def _uses(document: Mapping[str, WrittenJson]) -> int | None:
    uses = document.get("num_uses") or None
    if uses is not None and (isinstance(uses, bool) or not isinstance(uses, int)):
        raise InvalidInput("This must be a whole number, 0 or more.", path="num_uses")
    return uses


def _metadata(document: Mapping[str, WrittenJson]) -> dict[str, str]:
    pairs = mapping(document, "meta")
    texts = {name: value for name, value in pairs.items() if isinstance(value, str)}
    if len(texts) < len(pairs):
        raise InvalidInput("This must be an object of strings.", path="meta")
    return texts
