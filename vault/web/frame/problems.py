"""Errors → a page with the sentence, or (for our scripts) the same as JSON."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast
from urllib.parse import quote

import structlog
from flask import Blueprint, Response, current_app, g, jsonify, request
from werkzeug.exceptions import HTTPException

from vault import errors
from vault.errors import StrongroomError
from vault.observe import metrics
from vault.services import Services
from vault.web.frame import request as pages

log = structlog.get_logger(__name__)

STATUSES: tuple[tuple[type[StrongroomError], HTTPStatus], ...] = (
    (errors.TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (errors.InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.NotAuthenticated, HTTPStatus.UNAUTHORIZED),
    (errors.Forbidden, HTTPStatus.FORBIDDEN),
    (errors.NotFound, HTTPStatus.NOT_FOUND),
    (errors.MethodNotAllowed, HTTPStatus.METHOD_NOT_ALLOWED),
    (errors.Conflict, HTTPStatus.CONFLICT),
    (errors.TooManyRequests, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""The first line that fits decides, so a narrower class stands above a wider one."""


def register(blueprint: Blueprint) -> None:
    """Answer every error of the blueprint's views here."""
    blueprint.register_error_handler(StrongroomError, told)
    blueprint.register_error_handler(Exception, told)


def told(error: Exception) -> Response:
    """The answer to an error, of which the audit hears first; one that was not raised on purpose is a bare 500."""
    return _answer(audited(_translated(error)))


def status_of(error: StrongroomError) -> int:
    """The status that a page which tells of this error beside its field answers with."""
    return next((int(status) for kind, status in STATUSES if isinstance(error, kind)), 500)


def _answer(error: Exception) -> Response:
    if not isinstance(error, StrongroomError) or status_of(error) == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _failure(error)
    if isinstance(error, errors.NotGranted):
        error = errors.NotFound()
    if isinstance(error, errors.StepUpRequired) and not pages.wants_json():
        return pages.see(f"/prove?next={quote(pages.here(), safe='/')}")
    response = _page(status_of(error), error.code, error.message, getattr(error, "path", ""))
    seconds = getattr(error, "retry_after_seconds", None)
    if seconds is not None:
        response.headers["Retry-After"] = str(seconds)
    return response


def _page(status: int, code: str, sentence: str, path: str = "") -> Response:
    if pages.wants_json():
        response = jsonify({"code": code, "message": sentence, "path": path})
        response.status_code = status
        return response
    return pages.render("error.html", status, sentence=sentence, request_id=_request_id())


def audited(error: Exception) -> Exception:
    if not isinstance(error, StrongroomError):
        return error
    services = cast(Services, current_app.extensions["strongroom"].services)
    try:
        services.audit.reads.turned_away(
            error,
            g.get("principal"),
            address=request.remote_addr or "",
            request_id=_request_id(),
            call=request.endpoint or "",
        )
    except errors.Unavailable as unavailable:
        return unavailable
    return error


def _translated(error: Exception) -> Exception:
    """What Flask and Werkzeug raise on their own."""
    if not isinstance(error, HTTPException) or error.code is None:
        return error
    if error.code == HTTPStatus.NOT_FOUND:
        return errors.NotFound("There is no such page.")
    if error.code == HTTPStatus.METHOD_NOT_ALLOWED:
        return errors.MethodNotAllowed()
    if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return errors.TooLarge("This is larger than any environment can be.")
    if error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return errors.InvalidInput()
    return error


def _failure(error: BaseException) -> Response:
    if isinstance(error, errors.IntegrityError):
        metrics().integrity_errors.labels(kind=type(error).__name__).inc()
    log.error("request_failed", error=type(error).__name__, exc_info=error, request_id=_request_id())
    return _page(500, StrongroomError.code, errors.ServerError.sentence)


def _request_id() -> str:
    return str(request.environ.get("strongroom.request_id", ""))
