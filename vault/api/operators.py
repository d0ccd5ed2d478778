"""The guard of `/operator/…`: only operators may call, from named networks, with a recent proof of identity."""

from __future__ import annotations

from flask import Flask, request

from vault.api.calls import PREFIX
from vault.http import require_operator

OPERATORS = f"{PREFIX}/operator/"


def guard(app: Flask) -> None:
    """Refuse everybody else on these paths, whether the route exists or not."""

    @app.before_request
    def guard_operators() -> None:
        if request.path.startswith(OPERATORS):
            require_operator()
