"""Operators' requests, `/operator/…`: from named networks only, by an operator who has just given their password."""

from __future__ import annotations

from flask import Flask, request

from vault.api.calls import PREFIX
from vault.http import require_operator

OPERATORS = f"{PREFIX}/operator/"


def guard(app: Flask) -> None:
    """Refuse everybody else on these paths, whether or not there is a route."""

    @app.before_request
    def guard_operators() -> None:
        if request.path.startswith(OPERATORS):
            require_operator()
