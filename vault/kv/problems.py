"""Errors → `{"errors": ["…"]}`, which is all that Vault clients read, and the statuses that they expect.

Without a valid credential, and for what was not granted: 403, never 401. What is not there: 404 with an empty list,
because Go clients take any other body for data.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import cast

import structlog
from flask import Blueprint, Response, current_app, g, request
from werkzeug.exceptions import HTTPException

from vault import errors
from vault.errors import InvalidInput, StrongroomError
from vault.observe import metrics
from vault.services import Services

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/json"
"""Exactly this: with a charset behind it hvac does not see the errors."""

DENIED = "permission denied"


class WrongMediaType(InvalidInput):
    """A PATCH whose body does not say that it is a merge patch."""

    sentence = "A PATCH takes Content-Type: application/merge-patch+json."


STATUSES: tuple[tuple[type[StrongroomError], HTTPStatus], ...] = (
    (errors.TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (WrongMediaType, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (errors.InvalidInput, HTTPStatus.BAD_REQUEST),
    (errors.BadLogin, HTTPStatus.BAD_REQUEST),
    (errors.SecondFactorRequired, HTTPStatus.BAD_REQUEST),
    (errors.NotAuthenticated, HTTPStatus.FORBIDDEN),
    (errors.Forbidden, HTTPStatus.FORBIDDEN),
    (errors.NotGranted, HTTPStatus.FORBIDDEN),
    (errors.NotFound, HTTPStatus.NOT_FOUND),
    (errors.MethodNotAllowed, HTTPStatus.METHOD_NOT_ALLOWED),
    (errors.Conflict, HTTPStatus.BAD_REQUEST),
    (errors.TooManyRequests, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""The first line that fits decides, so a narrower class stands above a wider one."""

_SENTENCES: tuple[tuple[type[StrongroomError], str], ...] = (
    (errors.BadLogin, "invalid username or password"),
    (
        errors.SecondFactorRequired,
        "this account has a second factor, which this login cannot ask for: use a service token or AppRole",
    ),
    (errors.NotAuthenticated, DENIED),
    (errors.NotGranted, DENIED),
    (errors.PreconditionRequired, "check-and-set parameter required for this call"),
    (errors.PreconditionFailed, "check-and-set parameter did not match the current version"),
    (errors.VaultLocked, "Vault is sealed"),
)
"""The words that clients look for; all others are our own sentences."""


def register(blueprint: Blueprint) -> None:
    """Answer every error of the blueprint's views in this form."""
    blueprint.register_error_handler(StrongroomError, told)
    blueprint.register_error_handler(Exception, told)


def told(error: Exception) -> Response:
    """The answer to an error, of which the audit hears first; one that was not raised on purpose is a bare 500."""
    if isinstance(error, HTTPException):
        error = _translated(error)
    if isinstance(error, StrongroomError):
        error = _audited(error)
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), None)
    if status is None or not isinstance(error, StrongroomError):
        return _failure(error)
    if status is HTTPStatus.NOT_FOUND:
        return refusal(status)
    sentence = next((text for kind, text in _SENTENCES if isinstance(error, kind)), "")
    path = getattr(error, "path", "")
    response = refusal(status, sentence or (f"{path}: {error.message}" if path else error.message))
    seconds = getattr(error, "retry_after_seconds", None)
    if seconds is not None:
        response.headers["Retry-After"] = str(seconds)
    return response


def refusal(status: int, *sentences: str) -> Response:
    """An answer that holds errors alone."""
    return Response(json.dumps({"errors": list(sentences)}), int(status), content_type=MEDIA_TYPE)


def _audited(error: StrongroomError) -> StrongroomError:
    """The error to answer with: itself, or the one that says why it cannot be recorded."""
    services = cast(Services, current_app.extensions["strongroom"].services)
    address, request_id = request.remote_addr or "", str(request.environ.get("strongroom.request_id", ""))
    call = request.endpoint or ""
    try:
        services.audit.reads.turned_away(error, g.get("principal"), address=address, request_id=request_id, call=call)
    except errors.Unavailable as unavailable:
        return unavailable
    return error


def _translated(error: HTTPException) -> Exception:
    """What Flask and Werkzeug raise on their own."""
    if error.code == HTTPStatus.NOT_FOUND:
        return errors.NotFound()
    if error.code == HTTPStatus.METHOD_NOT_ALLOWED:
        return errors.MethodNotAllowed()
    if error.code is not None and error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return InvalidInput()
    return error


def _failure(error: Exception) -> Response:
    if isinstance(error, errors.IntegrityError):
        metrics().integrity_errors.labels(kind=type(error).__name__).inc()
    request_id = request.environ.get("strongroom.request_id", "")
    log.error("request_failed", error=type(error).__name__, exc_info=error, request_id=request_id)
    return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error")
