"""Calls that are turned away: told to the audit before the answer leaves, whoever asked."""

from __future__ import annotations

from typing import cast

from flask import current_app, g, request

from vault.errors import StrongroomError, Unavailable
from vault.model.environment import looks_like_id
from vault.services import Services


def audited(error: StrongroomError, request_id: str) -> StrongroomError:
    """The error to answer with: itself, or the one that says why it cannot be recorded."""
    services = cast(Services, current_app.extensions["strongroom"].services)
    reference = str((request.view_args or {}).get("env") or "")
    try:
        services.audit.reads.turned_away(
            error,
            g.get("principal"),
            address=request.remote_addr or "",
            request_id=request_id,
            call=request.endpoint or "",
            environment_id=reference.lower() if looks_like_id(reference) else None,
        )
    except Unavailable as unavailable:
        return unavailable
    return error
