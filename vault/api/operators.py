"""Operators' calls, `/operator/…`: from named networks only, whatever the credential. The services ask for the rest."""

from __future__ import annotations

from flask import Flask, request

from vault.api.calls import PREFIX, address, services
from vault.auth import require_named_network

OPERATORS = f"{PREFIX}/operator/"


def guard(app: Flask) -> None:
    """Refuse operators' calls from elsewhere, and those whose origin a stranger claims to know."""

    @app.before_request
    def refuse_other_networks() -> None:
        if request.path.startswith(OPERATORS):
            require_named_network(request.environ, address(), services().settings.operator_networks)
