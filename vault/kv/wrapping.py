"""`sys/wrapping/…`: answers that one reader may fetch once. A wrapping token is good for these calls alone."""

from __future__ import annotations

from flask import Response, g

from vault.errors import InvalidInput
from vault.http import address, public, request_id, services, transaction
from vault.kv import calls, problems
from vault.kv.calls import WRITES, body, credential, envelope

blueprint = calls.new_blueprint("wrapping")

DEFAULT_SECONDS = 300


@blueprint.route("/sys/wrapping/wrap", methods=WRITES)
def wrap() -> Response:
    """Wrap the body itself; for how long is in X-Vault-Wrap-TTL."""
    document = body()
    g.wrap_seconds = g.get("wrap_seconds") or DEFAULT_SECONDS
    g.changes_nothing = True
    return envelope(document)


@blueprint.route("/sys/wrapping/unwrap", methods=WRITES)
@public
def unwrap() -> Response:
    """The answer that was wrapped, exactly as it was; once."""
    services().instance.require_unlocked()
    token = _wrapping_token()
    answer = transaction(lambda unit: services().vaultkv.wrapping.unwrap(unit, token, address(), request_id()))
    return Response(answer, content_type=problems.MEDIA_TYPE)


@blueprint.route("/sys/wrapping/rewrap", methods=WRITES)
@public
def rewrap() -> Response:
    """The same answer under a new token; the old one is spent."""
    services().instance.require_unlocked()
    token = _wrapping_token()
    wrapped = transaction(lambda unit: services().vaultkv.wrapping.rewrap(unit, token, address(), request_id()))
    return envelope(wrap_info=calls.wrap_info(wrapped))


@blueprint.route("/sys/wrapping/lookup", methods=WRITES)
@public
def look_up() -> Response:
    """Where a wrapped answer comes from and since when it waits; the answer stays."""
    services().instance.require_unlocked()
    wrapped = services().vaultkv.wrapping.look_up(_wrapping_token())
    facts = {"creation_path": wrapped.path, "creation_ttl": wrapped.ttl_seconds}
    return envelope({**facts, "creation_time": calls.moment(wrapped.created_us)})


def _wrapping_token() -> str:
    """In the body, or in the place of the token of other calls."""
    token = body().get("token") or credential()
    if not isinstance(token, str) or not token:
        raise InvalidInput("missing token")
    return token
