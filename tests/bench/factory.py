"""The application of `strongroom serve` with one more route: the cost of a bare Flask view behind the front door."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from flask import Flask, Response

from vault import app as real
from vault.app import takes_password
from vault.settings import Settings

ANSWERS_VARIABLE = "BENCH_ANSWERS"
"""The environment variable with the directory of the constant route's answers. Each file is `<variables>.json`."""

__all__ = ["create_app", "create_unaudited_app", "takes_password"]


def create_app(settings: Settings) -> Flask:
    """Return the application with the route `/constant/<n>`, which answers as `…/values` does for `n` variables."""
    app = real.create_app(settings)

    @app.get("/constant/<int:variables>")
    def constant(variables: int) -> Response:
        return Response(_answer(variables), mimetype="application/json")

    return app


def create_unaudited_app(settings: Settings) -> Flask:
    """Return the same application without records of reads, to show what waiting for the disk costs."""
    app = create_app(settings)
    app.extensions["strongroom"].services.environments.values._reads = _Nobody()
    return app


class _Nobody:
    def read(self, *_: object, **__: object) -> None:
        """Record nothing."""


@functools.cache
def _answer(variables: int) -> bytes:
    return (Path(os.environ[ANSWERS_VARIABLE]) / f"{variables}.json").read_bytes()
