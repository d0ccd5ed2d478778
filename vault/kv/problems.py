"""Maps errors to `{"errors": ["…"]}`, the only form that Vault clients read, and to the statuses that they expect.

A missing credential or a missing grant is a 403, never a 401. A missing path is a 404 with an empty list, because Go
clients take any other body for data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from flask import Blueprint, Response
from werkzeug.exceptions import HTTPException

from vault import errors
from vault.errors import InvalidInput, NotFound, StrongroomError
from vault.http import note_failure, recorded, set_retry_after, status_of, translated
from vault.kv.envelope import MEDIA_TYPE, envelope

DENIED = "permission denied"


class WrongMediaType(InvalidInput):
    """A PATCH whose body does not say that it is a merge patch."""

    sentence = "A PATCH needs Content-Type: application/merge-patch+json."


class NotVersioned(NotFound):
    """A path under `secret/` that is written as for KV version 1. `command` is what the `vault` command offers."""

    def __init__(self, command: str) -> None:
        super().__init__()
        self.warning = (
            "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to "
            f"use. If using the Vault CLI, use 'vault kv {command}' for this operation."
        )


_STATUSES: Mapping[HTTPStatus, HTTPStatus] = {
    HTTPStatus.UNAUTHORIZED: HTTPStatus.FORBIDDEN,
    HTTPStatus.CONFLICT: HTTPStatus.BAD_REQUEST,
    HTTPStatus.PRECONDITION_FAILED: HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNPROCESSABLE_ENTITY: HTTPStatus.BAD_REQUEST,
    HTTPStatus.PRECONDITION_REQUIRED: HTTPStatus.BAD_REQUEST,
}
"""Maps the API's status to the one that Vault clients expect. All other statuses stay the same."""

_SPECIAL: Mapping[type[StrongroomError], HTTPStatus] = {
    WrongMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.BadLogin: HTTPStatus.BAD_REQUEST,
    errors.SecondFactorRequired: HTTPStatus.BAD_REQUEST,
    errors.NotGranted: HTTPStatus.FORBIDDEN,
}
"""Errors whose status here does not follow from the API's status."""

_SENTENCES: tuple[tuple[type[StrongroomError], str], ...] = (
    (errors.BadLogin, "invalid username or password"),
    (
        errors.SecondFactorRequired,
        "this account has a second factor, and this login cannot ask for it: use a service token or AppRole",
    ),
    (errors.NotAuthenticated, DENIED),
    (errors.PreconditionRequired, "check-and-set parameter required for this call"),
    (errors.PreconditionFailed, "check-and-set parameter did not match the current version"),
    (errors.VaultLocked, "Vault is sealed"),
)
"""Sentences that clients look for. All other errors use our own."""

_BARE = (errors.NotGranted, errors.Forbidden)
"""Refusals whose own sentence says no more than "permission denied"."""


def register(blueprint: Blueprint) -> None:
    """Answer every error of the blueprint's views in this form."""
    blueprint.register_error_handler(StrongroomError, told)
    blueprint.register_error_handler(Exception, told)


def told(error: Exception) -> Response:
    """Record an error in the audit, and return the answer for it. An unexpected error is a bare 500."""
    if isinstance(error, HTTPException):
        error = translated(error)
    if not isinstance(error, StrongroomError):
        return _failure(error)
    error = recorded(error)
    status = _status_of(error)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        return _failure(error)
    if isinstance(error, NotVersioned):
        # Clients such as Ansible's look for this warning. They read it only if there is no list of errors.
        return envelope(warnings=[error.warning], status=status)
    if status is HTTPStatus.NOT_FOUND:
        return refusal(status)
    return set_retry_after(refusal(status, _sentence(error)), error)


def refusal(status: int, *sentences: str) -> Response:
    """Return an answer that contains only errors."""
    return Response(json.dumps({"errors": list(sentences)}), int(status), content_type=MEDIA_TYPE)


def _sentence(error: StrongroomError) -> str:
    if isinstance(error, _BARE):
        # Clients look for these two words. What is lacking is said behind them, where the caller may know it: in a
        # message of its own, or in the sentence of a narrower error.
        says_nothing = type(error) in _BARE and error.message == type(error).sentence
        return DENIED if says_nothing else f"{DENIED}: {error.message}"
    sentence = next((text for kind, text in _SENTENCES if isinstance(error, kind)), "")
    return sentence or (f"{error.path}: {error.message}" if error.path else error.message)


def _status_of(error: StrongroomError) -> HTTPStatus:
    special = next((status for kind, status in _SPECIAL.items() if isinstance(error, kind)), None)
    status = status_of(error)
    return special or _STATUSES.get(status, status)


def _failure(error: Exception) -> Response:
    note_failure(error)
    return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error")
