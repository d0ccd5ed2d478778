"""`sys/wrapping/…`: answers that can be fetched once. A wrapping token works only for these calls."""

from __future__ import annotations

from flask import Response, g

from vault.errors import InvalidInput
from vault.http import address, public, request_id, services, transaction
from vault.kv import guard
from vault.kv.address import WRITES
from vault.kv.bodies import body
from vault.kv.envelope import MEDIA_TYPE, envelope, moment
from vault.kv.guard import credential
from vault.kv.wrapped import wrap_info
from vault.model.json_types import JsonObject

blueprint = guard.new_blueprint("wrapping")

DEFAULT_SECONDS = 300


@blueprint.route("/sys/wrapping/wrap", methods=WRITES)
def wrap() -> Response:
    """Wrap the body itself. X-Vault-Wrap-TTL says for how long."""
    document = body()
    g.wrap_seconds = g.get("wrap_seconds") or DEFAULT_SECONDS
    g.changes_nothing = True
    return envelope(document)


@blueprint.route("/sys/wrapping/unwrap", methods=WRITES)
@public
def unwrap() -> Response:
    """Return the wrapped answer, exactly as it was. This works once."""
    services().instance.require_unlocked()
    token = _wrapping_token()
    answer = transaction(lambda unit: services().vaultkv.wrapping.unwrap(unit, token, address(), request_id()))
    return Response(answer, content_type=MEDIA_TYPE)


@blueprint.route("/sys/wrapping/rewrap", methods=WRITES)
@public
def rewrap() -> Response:
    """Wrap the same answer under a new token. The old token stops working."""
    services().instance.require_unlocked()
    token = _wrapping_token()
    wrapped = transaction(lambda unit: services().vaultkv.wrapping.rewrap(unit, token, address(), request_id()))
    return envelope(wrap_info=wrap_info(wrapped))


@blueprint.route("/sys/wrapping/lookup", methods=WRITES)
@public
def look_up() -> Response:
    """Describe a wrapped answer without fetching it: which call made it, and when."""
    services().instance.require_unlocked()
    wrapped = services().vaultkv.wrapping.look_up(_wrapping_token())
    facts: JsonObject = {"creation_path": wrapped.path, "creation_ttl": wrapped.ttl_seconds}
    return envelope({**facts, "creation_time": moment(wrapped.created_us)})


def _wrapping_token() -> str:
    """Return the wrapping token, from the body or from the credential of the call."""
    token = body().get("token") or credential()
    if not isinstance(token, str) or not token:
        raise InvalidInput("missing token")
    return token
