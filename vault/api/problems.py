"""Maps errors to RFC 9457 problems, with the statuses of `http/statuses.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from vault import errors
from vault.api.description import PROBLEM
from vault.api.schemas.sessions import ChallengeAnswer
from vault.errors import StrongroomError
from vault.http import note_failure, recorded, request_id, set_retry_after, status_of, translated
from vault.model.json_types import Json, JsonObject

_CHALLENGE = ChallengeAnswer()


def register(app: Flask) -> None:
    """Answer every error of `app` as a problem."""
    app.register_error_handler(StrongroomError, problem)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unknown)


def problem(error: StrongroomError) -> Response:
    """Record one of our own errors in the audit, and return the answer for it."""
    error = recorded(error)
    status = status_of(error)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        return _failure(error)
    if isinstance(error, errors.NotGranted):
        # Do not tell whether it exists: answer as if it never did.
        error = errors.NotFound()
    response = set_retry_after(_respond(status, error.code, error.message, **_members(error)), error)
    if status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _members(error: StrongroomError) -> Mapping[str, Json]:
    """Return the extra members of a problem (RFC 9457, section 3.2)."""
    if isinstance(error, errors.SecondFactorRequired) and error.challenge_id:
        challenge = {"id": error.challenge_id, "kinds": error.kinds, "expires_us": error.expires_us}
        return {"challenge": _CHALLENGE.dump({**challenge, "passkey": error.passkey})}
    if isinstance(error, errors.NotReady):
        return {"reasons": error.reasons}
    return {"path": error.path} if error.path else {}


def _http(error: HTTPException) -> Response:
    """Answer what Flask and Werkzeug raise: unknown paths, wrong methods, unreadable requests."""
    ours = translated(error)
    if not isinstance(ours, StrongroomError):
        return _failure(error)
    if isinstance(ours, errors.InvalidInput):
        status = HTTPStatus(error.code or HTTPStatus.BAD_REQUEST)
        return _respond(status, "bad_request", f"{status.phrase}.")
    response = problem(ours)
    if isinstance(ours, errors.MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
    return response


def _unknown(error: Exception) -> Response:
    return _failure(error)


def _failure(error: BaseException) -> Response:
    """Answer a bare 500. The cause is logged and counted, but not shown to the caller."""
    note_failure(error)
    return _respond(HTTPStatus.INTERNAL_SERVER_ERROR, errors.StrongroomError.code, errors.ServerError.sentence)


def _respond(status: HTTPStatus, code: str, detail: str, **members: Json) -> Response:
    body: JsonObject = {
        "type": f"urn:strongroom:problem:{code}",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
        **members,
        "request_id": request_id(),
    }
    return Response(json.dumps(body), status, mimetype=PROBLEM)
