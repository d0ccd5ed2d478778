"""Answers that the front door gives itself, before or instead of the application."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import NamedTuple

from vault.asgi import Headers, Refusal
from vault.errors import (
    AuditUnavailable,
    Forbidden,
    InvalidInput,
    NotFound,
    ServerError,
    TooLarge,
    TooManyRequests,
    Unavailable,
)

_VAULT_PREFIX = b"/v1/"


class Answer(NamedTuple):
    """One whole answer. `route` is the pattern that matched, for logs and metrics. It is never the path itself."""

    status: int
    headers: Headers
    body: bytes
    route: str


def answer_of(refusal: Refusal, request_id: str, raw_path: bytes = b"", accept: bytes = b"") -> Answer:
    """Return a refusal as a problem document (RFC 9457), as Vault's `errors` under /v1, or as text for browsers."""
    if raw_path.startswith(_VAULT_PREFIX):
        return _finished(refusal, b"application/json", json.dumps({"errors": [refusal.detail]}))
    if b"text/html" in accept:
        return _finished(refusal, b"text/plain; charset=utf-8", refusal.detail)
    problem: dict[str, str | int] = {
        "type": f"urn:strongroom:problem:{refusal.code}",
        "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
        "request_id": request_id,
    }
    if refusal.path:
        problem["path"] = refusal.path
    return _finished(refusal, b"application/problem+json", json.dumps(problem))


def _finished(refusal: Refusal, content_type: bytes, text: str) -> Answer:
    headers = [(b"content-type", content_type), *refusal.headers]
    if refusal.status == HTTPStatus.UNAUTHORIZED and not any(name == b"www-authenticate" for name, _ in headers):
        headers.append((b"www-authenticate", b"Bearer"))
    if refusal.retry_after_seconds:
        headers.append((b"retry-after", str(refusal.retry_after_seconds).encode()))
    return Answer(refusal.status, headers, text.encode(), "(refused)")


def bad_request(detail: str, cause: str = "bad_request") -> Refusal:
    """400: the request is malformed or ambiguous."""
    return Refusal(HTTPStatus.BAD_REQUEST, InvalidInput.code, detail, cause=cause)


def no_such_path() -> Refusal:
    """404: the path has a spelling that no route has."""
    detail = "There is nothing at this path. A path starts with one slash, and has no '.' and '..' as parts."
    return Refusal(HTTPStatus.NOT_FOUND, NotFound.code, detail, cause="path")


def no_websocket() -> Refusal:
    """404: no WebSocket is served at this path."""
    detail = "There is no WebSocket at this path."
    return Refusal(HTTPStatus.NOT_FOUND, NotFound.code, detail, cause="websocket_path")


def too_large(limit_bytes: int) -> Refusal:
    """413: the body is over the limit, with or without a Content-Length."""
    detail = f"A request body may have at most {limit_bytes} bytes."
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TooLarge.code, detail, cause="body_too_large")


def too_slow(timeout_seconds: float) -> Refusal:
    """408: the body did not arrive in time."""
    detail = f"The request body did not arrive within {timeout_seconds:g} seconds."
    return Refusal(HTTPStatus.REQUEST_TIMEOUT, InvalidInput.code, detail, cause="body_timeout")


def busy(cause: str) -> Refusal:
    """503: this worker already has as much work as it can hold."""
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE, Unavailable.code, "The server is busy. Try again in a moment.",
        cause=cause, retry_after_seconds=1,
    )  # fmt: skip


def too_many(cause: str) -> Refusal:
    """429: this caller has reached its limit."""
    return Refusal(
        HTTPStatus.TOO_MANY_REQUESTS, TooManyRequests.code,
        "You have too many calls in progress, or send them too fast. Wait for answers, then try again.",
        cause=cause, retry_after_seconds=1,
    )  # fmt: skip


def unrecorded() -> Refusal:
    """503: the answer is ready but must not be sent, because its record could not be written to disk."""
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE, AuditUnavailable.code, AuditUnavailable.sentence,
        cause="audit_unavailable", retry_after_seconds=1,
    )  # fmt: skip


def draining() -> Refusal:
    """503 for the readiness probe of a worker that is about to stop."""
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE, Unavailable.code, "This server is stopping.",
        cause="draining", retry_after_seconds=1,
    )  # fmt: skip


def stranger() -> Refusal:
    """403: plain HTTP from an address that is not the proxy that terminates TLS."""
    detail = "This server accepts plain HTTP only from its proxies. Use HTTPS."
    return Refusal(HTTPStatus.FORBIDDEN, Forbidden.code, detail, cause="plain_http")


def failed() -> Refusal:
    """500: not even the application's own error handler answered."""
    return Refusal(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        ServerError.code,
        ServerError.sentence,
        cause="application_failed",
    )
