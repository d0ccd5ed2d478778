"""Maps errors to HTTP statuses. This is the only such table. An error that is not in it is a bare 500.

The API answers with these statuses. The pages and the Vault face change some of them: see their `problems.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from vault import errors
from vault.errors import StrongroomError

STATUSES: Mapping[type[StrongroomError], HTTPStatus] = {
    errors.BadJson: HTTPStatus.BAD_REQUEST,
    errors.IdempotencyUnsupported: HTTPStatus.BAD_REQUEST,
    errors.NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.CursorExpired: HTTPStatus.GONE,
    errors.PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.PreconditionRequired: HTTPStatus.PRECONDITION_REQUIRED,
    errors.TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The class nearest to the error's own decides. Sorted by status."""


def status_of(error: Exception) -> HTTPStatus:
    """Return the status of an error, or 500 if it was not raised on purpose."""
    found = (STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    return next(found, HTTPStatus.INTERNAL_SERVER_ERROR)
