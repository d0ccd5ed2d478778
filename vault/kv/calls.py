"""What all views of the Vault face share: the guard, the envelope, parsing of bodies, and wrapping."""

from __future__ import annotations

import json
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from vault import http
from vault.auth import SAFE_METHODS, VAULT_METHODS
from vault.errors import InvalidInput, StrongroomError
from vault.http import (
    budget,
    classify,
    has_utf8_path,
    identify,
    is_large,
    needs_credential,
    presented,
    principal,
    request_id,
    require_ascii_query,
    services,
    transaction,
)
from vault.kv import problems
from vault.kv.duration import seconds_of
from vault.model.budgets import RouteClass
from vault.model.environment import check_environment_name
from vault.model.grant import Permission
from vault.model.principal import Principal, PrincipalKind
from vault.model.strict_json import dumps, parse_written
from vault.services.vaultkv.wrapping import Wrapped, check_ttl

PREFIX = "/v1"
WRITES = ("POST", "PUT")
LISTS = ("LIST",)
_WRAP_FIELD = "HTTP_X_VAULT_WRAP_TTL"
_TWO_READINGS = ("%2f", "%5c", "%2e", "%00")
_TEXT_MOST = 4096
"""No password, token or accessor is longer."""
_YES = frozenset({"1", "t", "true"})


def new_blueprint(name: str) -> Blueprint:
    """Return a blueprint under `/v1`. Its errors have Vault's form, and its answers can be wrapped."""
    blueprint = Blueprint(f"kv.{name}".replace(".", "_"), __name__, url_prefix=PREFIX)
    problems.register(blueprint)
    blueprint.after_request(_wrapped_if_wanted)
    classify(blueprint, RouteClass.VAULT)
    return blueprint


def guard(app: Flask) -> None:
    """Require a credential for every path under `/v1`, even for a path that does not exist."""

    @app.before_request
    def require_vault_credential() -> Response | None:
        if request.path != PREFIX and not request.path.startswith(PREFIX + "/"):
            return None
        try:
            _admit(app)
        except Exception as error:
            return problems.told(error)
        return None


def _admit(app: Flask) -> None:
    environ = request.environ
    if needs_credential(app):
        identify(VAULT_METHODS)
    if isinstance(request.routing_exception, HTTPException):
        raise request.routing_exception
    raw_path = environ.get("RAW_URI", "").partition("?")[0]
    if "%" in raw_path and any(part in raw_path.lower() for part in _TWO_READINGS):
        raise InvalidInput("Slashes and dots in a path must not be percent-encoded.")
    if not has_utf8_path():
        raise InvalidInput("The path must be UTF-8.")
    require_ascii_query()
    if _WRAP_FIELD in environ:
        g.wrap_seconds = wrap_seconds()
        # Reserve before the call runs: a call that changes something must not fail afterwards for lack of room.
        if "principal" in g and environ["REQUEST_METHOD"] not in SAFE_METHODS:
            reserve_wrap(principal().user_id, _token_id(principal()))


def credential() -> str:
    """Return the credential itself. The answers about it repeat it."""
    return presented().vault_token


def named(path: str) -> str:
    """Return the environment's name that a path means, with its slashes. Raises `InvalidInput` if it is not a valid
    name.

    Permissions are checked for this name and data is stored under it, so a path has only one spelling.
    """
    return check_environment_name(path, path="path")


def may_write(name: str) -> None:
    """Check permission on the environment `name` before a large body is parsed. The service checks again."""
    if is_large():
        services().environments.environments.require(principal(), name, (Permission.CREATE, Permission.UPDATE))


def body() -> dict[str, Any]:
    """Return the JSON object in the body, whatever its Content-Type is. An empty body is an empty object."""
    data = request.get_data()
    if not data:
        return {}
    document = parse_written(data, budget().json_items)
    if not isinstance(document, dict):
        raise InvalidInput("The body must be a JSON object.")
    return document


def mapping(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a field that is an object, or an empty object if it is absent or null. Raises `InvalidInput`."""
    found = document.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidInput("This must be a JSON object.", path=name)
    return found


def text(document: dict[str, Any], name: str) -> str:
    """Return a string field. Raises `InvalidInput` if it is absent, too long or not a string."""
    found = document.get(name)
    if not isinstance(found, str) or not found:
        raise InvalidInput(f"missing {name}")
    if len(found) > _TEXT_MOST:
        raise InvalidInput(f"This must be a string of at most {_TEXT_MOST} characters.", path=name)
    return found


def texts(found: Any, name: str, *, items_most: int, characters_most: int) -> list[str]:
    """Return a list of strings. The length is checked first. Raises `InvalidInput` for any other item."""
    if not isinstance(found, list):
        raise InvalidInput("This must be a list of strings.", path=name)
    if len(found) > items_most:
        raise InvalidInput(f"Send at most {items_most} {name} at once.", path=name)
    if not all(isinstance(item, str) and len(item) <= characters_most for item in found):
        raise InvalidInput(f"This must be a list of strings of at most {characters_most} characters.", path=name)
    return found


def flag(value: Any) -> bool:
    """Report whether a query value means true to Go: 1, t or true."""
    return str(value).lower() in _YES


def is_list() -> bool:
    """Report whether a GET asks for a list: `?list=true`, for clients that cannot send LIST."""
    return request.method in LISTS or flag(request.args.get("list", ""))


def envelope(
    data: Any = None,
    *,
    auth: Any = None,
    wrap_info: Any = None,
    warnings: Any = None,
    status: int = 200,
    twice: bool = False,
) -> Response:
    """Return an answer in Vault's envelope. With `twice`, the data is also at the top level, beside the envelope's
    fields.
    """
    document = {
        **(data if twice else {}),
        "request_id": request_id(),
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": data,
        "wrap_info": wrap_info,
        "warnings": list(warnings) if warnings else None,
        "auth": auth,
    }
    return Response(dumps(document), status, content_type=problems.MEDIA_TYPE)


def plain(document: dict[str, Any], status: int = 200) -> Response:
    """Return an answer without the envelope."""
    return Response(json.dumps(document), status, content_type=problems.MEDIA_TYPE)


def nothing() -> Response:
    """Return a 204."""
    return Response(status=204, content_type=problems.MEDIA_TYPE)


def moment(us: int | None) -> str:
    """Return a time as RFC 3339 in UTC, or an empty text for None."""
    return "" if us is None else http.moment(us)


# -- Wrapping --


def wrap_seconds() -> int | None:
    """Return for how many seconds the answer must be wrapped, or None if it must not. Raises `InvalidInput`."""
    seconds = seconds_of(request.environ.get(_WRAP_FIELD, ""), "X-Vault-Wrap-TTL")
    if not seconds:
        return None
    check_ttl(seconds)
    return seconds


def wrap_info(wrapped: Wrapped, wrapped_accessor: str = "") -> dict[str, Any]:
    """Return what the caller gets instead of a wrapped answer."""
    return {
        "token": wrapped.token,
        "accessor": wrapped.accessor,
        "ttl": wrapped.ttl_seconds,
        "creation_time": moment(wrapped.created_us),
        "creation_path": wrapped.path,
        "wrapped_accessor": wrapped_accessor,
    }


def reserve_wrap(user_id: str, token_id: str | None, seconds: int | None = None) -> None:
    """Reserve room for the answer of this call, if the caller wants it wrapped. A login calls this itself.

    Raises `QuotaExceeded`.
    """
    g.wrap_seconds = seconds or g.get("wrap_seconds")
    if not g.wrap_seconds or "wrap_reserved" in g:
        return
    path = request.path.removeprefix(PREFIX + "/")
    g.wrap_reserved = transaction(
        lambda unit: services().vaultkv.wrapping.reserve(unit, user_id, token_id, path, g.wrap_seconds)
    )


def _token_id(who: Principal) -> str | None:
    return who.id if who.kind is PrincipalKind.TOKEN else None


def _wrapped_if_wanted(response: Response) -> Response:
    holder = g.get("principal")
    if not g.get("wrap_seconds") or holder is None:
        return response
    # Only a JSON object can be wrapped. Errors, 204, and answers to HEAD and OPTIONS cannot.
    if response.status_code != 200 or request.method in ("HEAD", "OPTIONS") or not response.is_json:
        _release()
        return response
    answer = response.get_data(as_text=True)
    try:
        reserve_wrap(holder.user_id, _token_id(holder))
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
