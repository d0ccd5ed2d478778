"""Tells a client when to try again."""

from __future__ import annotations

from flask import Response

from vault.errors import StrongroomError


def set_retry_after(response: Response, error: StrongroomError) -> Response:
    """Set `Retry-After` if the error says when to try again. Returns the response."""
    if error.retry_after_seconds:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response
