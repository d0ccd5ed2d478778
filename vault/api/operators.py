"""Operators' calls, `/operator/…`: from named networks only, by an operator who has just given their password."""

from __future__ import annotations

from flask import Flask, request

from vault.api.calls import PREFIX, address, principal, services
from vault.auth import require_named_network
from vault.model.principal import Principal

OPERATORS = f"{PREFIX}/operator/"


def guard(app: Flask) -> None:
    """Refuse operators' calls from elsewhere, those whose origin a stranger claims to know, and everybody else's.

    The services ask again; but an answer that is kept for a retry comes without them.
    """

    @app.before_request
    def require_operator() -> None:
        if request.path.startswith(OPERATORS):
            require_named_network(request.environ, address(), services().settings.operator_networks)
            operator()


def operator() -> Principal:
    """The operator who asks, with a password given a moment ago. Raises `Forbidden`, `StepUpRequired`."""
    who = principal()
    who.require_operator()
    who.require_recent_proof(services().clock())
    return who
