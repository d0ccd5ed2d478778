"""Records failed requests: a refusal in the audit, before the answer is sent, and a failure in the log."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from flask import g, request
from werkzeug.exceptions import HTTPException

from vault import errors
from vault.errors import StrongroomError
from vault.http.current import address, request_id, services
from vault.model.environment import looks_like_id
from vault.observe import metrics

log = structlog.get_logger(__name__)


def recorded(error: StrongroomError) -> StrongroomError:
    """Record the refusal in the audit. Returns the error to answer with: `error`, or `AuditUnavailable`."""
    reference = str((request.view_args or {}).get("env") or "")
    try:
        services().audit.reads.turned_away(
            error,
            g.get("principal"),
            address=address(),
            request_id=request_id(),
            call=request.endpoint or "",
            environment_id=reference.lower() if looks_like_id(reference) else None,
        )
    except errors.Unavailable as unavailable:
        return unavailable
    return error


def translated(error: HTTPException) -> Exception:
    """Return our error for one that Flask or Werkzeug raised, or `error` itself if it is the server's fault."""
    if error.code == HTTPStatus.NOT_FOUND:
        return errors.NotFound()
    if error.code == HTTPStatus.METHOD_NOT_ALLOWED:
        return errors.MethodNotAllowed()
    if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return errors.TooLarge("The request is too large.")
    if error.code is not None and error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return errors.InvalidInput()
    return error


def note_failure(error: BaseException) -> None:
    """Log and count an error that is answered with a bare 500. The caller learns nothing about it."""
    hint = {}
    if isinstance(error, errors.IntegrityError):
        metrics().integrity_errors.labels(kind=type(error).__name__).inc()
        hint = {"hint": "Stored data are not what this vault stored. `strongroom doctor --database` names them."}
    log.error("request_failed", error=type(error).__name__, exc_info=error, request_id=request_id(), **hint)
