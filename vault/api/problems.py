"""Errors → RFC 9457 problems. This is the only table of statuses; an error that is not in it is a bare 500."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from vault import errors
from vault.api import refusals
from vault.api.schemas.sessions import ChallengeAnswer
from vault.errors import StrongroomError
from vault.observe import metrics

log = structlog.get_logger(__name__)

STATUSES: tuple[tuple[type[StrongroomError], HTTPStatus], ...] = (
    (errors.TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (errors.BadJson, HTTPStatus.BAD_REQUEST),
    (errors.InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.NotAuthenticated, HTTPStatus.UNAUTHORIZED),
    (errors.Forbidden, HTTPStatus.FORBIDDEN),
    (errors.NotFound, HTTPStatus.NOT_FOUND),
    (errors.MethodNotAllowed, HTTPStatus.METHOD_NOT_ALLOWED),
    (errors.PreconditionFailed, HTTPStatus.PRECONDITION_FAILED),
    (errors.PreconditionRequired, HTTPStatus.PRECONDITION_REQUIRED),
    (errors.Conflict, HTTPStatus.CONFLICT),
    (errors.TooManyRequests, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""The first line that fits decides, so a narrower class stands above a wider one."""

_CHALLENGE = ChallengeAnswer()


def register(app: Flask) -> None:
    """Answer every error of `app` as a problem."""
    app.register_error_handler(StrongroomError, problem)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unknown)


def problem(error: StrongroomError) -> Response:
    """The answer to one of our own errors; the audit hears of it first."""
    error = refusals.audited(error, request_id())
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), None)
    if status is None:
        return _failure(error)
    if isinstance(error, errors.NotGranted):
        # Whether it exists is not told: the answer is that for a thing that never was.
        error = errors.NotFound()
    response = _respond(status, error.code, error.message, **_members(error))
    seconds = getattr(error, "retry_after_seconds", None)
    if seconds is not None:
        response.headers["Retry-After"] = str(seconds)
    if status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _members(error: StrongroomError) -> dict[str, Any]:
    """What else a problem says (RFC 9457, section 3.2)."""
    if isinstance(error, errors.SecondFactorRequired) and error.challenge_id:
        challenge = {"id": error.challenge_id, "kinds": error.kinds, "expires_us": error.expires_us}
        return {"challenge": _CHALLENGE.dump({**challenge, "passkey": error.passkey})}
    if isinstance(error, errors.NotReady):
        return {"reasons": error.reasons}
    path = getattr(error, "path", "")
    return {"path": path} if path else {}


def _http(error: HTTPException) -> Response:
    """What Flask and Werkzeug raise on their own: unknown addresses, wrong methods, unreadable requests."""
    if error.code == HTTPStatus.NOT_FOUND:
        return problem(errors.NotFound())
    if error.code == HTTPStatus.METHOD_NOT_ALLOWED:
        response = problem(errors.MethodNotAllowed())
        response.headers["Allow"] = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        return response
    if error.code is None or error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _failure(error)
    status = HTTPStatus(error.code)
    return _respond(status, "bad_request", f"{status.phrase}.")


def _unknown(error: Exception) -> Response:
    return _failure(error)


def _failure(error: BaseException) -> Response:
    """A bare 500: what went wrong is logged and counted, and the caller is told nothing of it."""
    if isinstance(error, errors.IntegrityError):
        metrics().integrity_errors.labels(kind=type(error).__name__).inc()
    log.error("request_failed", error=type(error).__name__, exc_info=error, request_id=request_id())
    return _respond(HTTPStatus.INTERNAL_SERVER_ERROR, errors.StrongroomError.code, errors.ServerError.sentence)


def request_id() -> str:
    """The id that the front door gave this request."""
    return str(request.environ.get("strongroom.request_id", ""))


def _respond(status: HTTPStatus, code: str, detail: str, **members: Any) -> Response:
    body: dict[str, Any] = {
        "type": f"urn:strongroom:problem:{code}",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
        **members,
        "request_id": request_id(),
    }
    return Response(json.dumps(body), status, mimetype="application/problem+json")
