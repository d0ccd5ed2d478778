"""Shows errors as a page, or as JSON for our scripts."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

from flask import Blueprint, Response, jsonify
from werkzeug.exceptions import HTTPException

from vault import errors, http
from vault.errors import StrongroomError
from vault.http import note_failure, recorded, request_id, translated
from vault.web.frame import request as pages

_STATUSES: Mapping[HTTPStatus, HTTPStatus] = {
    HTTPStatus.BAD_REQUEST: HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.PRECONDITION_FAILED: HTTPStatus.CONFLICT,
    HTTPStatus.PRECONDITION_REQUIRED: HTTPStatus.CONFLICT,
}
"""Maps the API's status to the one that our scripts expect. All other statuses stay the same."""


def register(blueprint: Blueprint) -> None:
    """Handle every error of the blueprint's views."""
    blueprint.register_error_handler(StrongroomError, told)
    blueprint.register_error_handler(Exception, told)


def told(error: Exception) -> Response:
    """Record an error in the audit, and return the answer for it. An unexpected error is a bare 500."""
    if isinstance(error, HTTPException):
        error = _translated(error)
    return _answer(recorded(error) if isinstance(error, StrongroomError) else error)


def refused(error: StrongroomError) -> HTTPStatus:
    """Record an error that a page shows beside its field, and return the status of that page.

    Raises `AuditUnavailable` if it cannot be recorded.
    """
    answer = recorded(error)
    if answer is not error:
        raise answer
    return status_of(error)


def status_of(error: StrongroomError) -> HTTPStatus:
    """Return the status of a page that shows this error."""
    status = http.status_of(error)
    return _STATUSES.get(status, status)


def _answer(error: Exception) -> Response:
    if not isinstance(error, StrongroomError) or status_of(error) is HTTPStatus.INTERNAL_SERVER_ERROR:
        return _failure(error)
    if isinstance(error, errors.NotGranted):
        error = errors.NotFound()
    if isinstance(error, errors.StepUpRequired) and not pages.wants_json():
        return pages.see(f"/prove?next={quote(pages.here(), safe='/')}")
    if isinstance(error, errors.PasswordChangeRequired | errors.FactorSetupRequired) and not pages.wants_json():
        return _to_duty(error)
    return http.set_retry_after(_page(status_of(error), error.code, error.message, error.path), error)


def _to_duty(error: StrongroomError) -> Response:
    """Lead to the page where the person does what must be done first."""
    if isinstance(error, errors.PasswordChangeRequired):
        return pages.see("/security/password", "password-due")
    return pages.see("/security", "factor-due")


def _page(status: int, code: str, sentence: str, path: str = "") -> Response:
    if pages.wants_json():
        response = jsonify({"code": code, "message": sentence, "path": path})
        response.status_code = status
        return response
    return pages.render("error.html", status, sentence=sentence, request_id=request_id())


def _translated(error: HTTPException) -> Exception:
    """Return the same error as `http.translated`, in the words of the pages."""
    if error.code == HTTPStatus.NOT_FOUND:
        return errors.NotFound("There is no such page.")
    if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return errors.TooLarge("This is larger than an environment can be.")
    return translated(error)


def _failure(error: BaseException) -> Response:
    note_failure(error)
    return _page(500, StrongroomError.code, errors.ServerError.sentence)
