"""Answers that the caller wants wrapped (`X-Vault-Wrap-TTL`): the reservation, and the token that is sent instead.

reserve (is there room?) ─► the call runs ─► wrap its answer, or release the room if it gave none
"""

from __future__ import annotations

import json
from contextlib import suppress
from http import HTTPStatus

from flask import Response, g, request

from vault.auth import SAFE_METHODS
from vault.errors import StrongroomError
from vault.http import services, transaction
from vault.kv import problems
from vault.kv.address import PREFIX
from vault.kv.duration import seconds_of
from vault.kv.envelope import envelope, moment
from vault.model.json_types import JsonObject
from vault.model.principal import Principal, PrincipalKind
from vault.services.vaultkv.wrapping import Wrapped, check_ttl

WRAP_FIELD = "HTTP_X_VAULT_WRAP_TTL"


def wrap_seconds() -> int | None:
    """Return for how many seconds the answer must be wrapped, or None if it must not. Raises `InvalidInput`."""
    seconds = seconds_of(request.environ.get(WRAP_FIELD, ""), "X-Vault-Wrap-TTL")
    if not seconds:
        return None
    check_ttl(seconds)
    return seconds


def wrap_info(wrapped: Wrapped, wrapped_accessor: str = "") -> JsonObject:
    """Return what the caller gets instead of a wrapped answer."""
    return {
        "token": wrapped.token,
        "accessor": wrapped.accessor,
        "ttl": wrapped.ttl_seconds,
        "creation_time": moment(wrapped.created_us),
        "creation_path": wrapped.path,
        "wrapped_accessor": wrapped_accessor,
    }


def reserve(user_id: str, token_id: str | None) -> None:
    """Reserve room for the answer of this call, if the caller wants it wrapped. A login calls this itself.

    Raises `QuotaExceeded`.
    """
    if not g.get("wrap_seconds") or "wrap_reserved" in g:
        return
    path = request.path.removeprefix(PREFIX + "/")
    g.wrap_reserved = transaction(
        lambda unit: services().vaultkv.wrapping.reserve(unit, user_id, token_id, path, g.wrap_seconds)
    )


def reserve_for(caller: Principal) -> None:
    """Reserve room for the answer of this call, if the caller wants it wrapped. Raises `QuotaExceeded`."""
    reserve(caller.user_id, caller.id if caller.kind is PrincipalKind.TOKEN else None)


def wrap_if_wanted(response: Response) -> Response:
    """Wrap the answer if the caller wants that, and answer with the wrapping token instead."""
    holder = g.get("principal")
    if not g.get("wrap_seconds") or holder is None:
        return response
    # Only a JSON object can be wrapped. Errors, 204, and answers to HEAD and OPTIONS cannot.
    if response.status_code != 200 or request.method in ("HEAD", "OPTIONS") or not response.is_json:
        _release()
        return response
    answer = response.get_data(as_text=True)
    try:
        reserve_for(holder)
        wrapped = transaction(lambda unit: services().vaultkv.wrapping.fill(unit, holder, g.wrap_reserved, answer))
    except Exception as error:
        _release()
        return _unwrapped(error, answer)
    return envelope(wrap_info=wrap_info(wrapped, _accessor(answer)))


def _release() -> None:
    if "wrap_reserved" in g:
        # The reservation expires after some minutes, and an error here must not replace the answer.
        with suppress(StrongroomError):
            transaction(lambda unit: services().vaultkv.wrapping.release(unit, g.wrap_reserved))


def _unwrapped(error: Exception, answer: str) -> Response:
    """Return the answer for failed wrapping. After a change, it has a status that no client retries by itself."""
    told = problems.told(error)
    if request.method in SAFE_METHODS or g.get("changes_nothing"):
        return told
    sentence = "The call was carried out, but its answer could not be wrapped and is lost."
    if accessor := _accessor(answer):
        sentence += f" It made a token with the accessor {accessor}. Revoke that token."
    return problems.refusal(HTTPStatus.BAD_REQUEST, sentence, *json.loads(told.get_data())["errors"])


def _accessor(answer: str) -> str:
    return str((json.loads(answer).get("auth") or {}).get("accessor", ""))
