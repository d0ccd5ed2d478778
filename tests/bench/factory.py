"""The application of `strongroom serve` with one more route: what a bare Flask view costs behind the same door."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from flask import Flask, Response

from vault import app as real
from vault.app import takes_password
from vault.settings import Settings

ANSWERS_VARIABLE = "BENCH_ANSWERS"
"""Names the directory of the answers that the constant route gives, `<variables>.json` each."""

__all__ = ["create_app", "create_unaudited_app", "takes_password"]


def create_app(settings: Settings) -> Flask:
    """The whole application, and `/constant/<n>`: the bytes that `…/values` gives for `n` variables."""
    app = real.create_app(settings)

    @app.get("/constant/<int:variables>")
    def constant(variables: int) -> Response:
        return Response(_answer(variables), mimetype="application/json")

    return app


def create_unaudited_app(settings: Settings) -> Flask:
    """The same, but no read is recorded: shows what waiting for the disk costs, which no real server leaves out."""
    app = create_app(settings)
    app.extensions["strongroom"].services.environments.values._reads = _Nobody()
    return app


class _Nobody:
    def read(self, *_: object, **__: object) -> None:
        """Record nothing."""


@functools.cache
def _answer(variables: int) -> bytes:
    return (Path(os.environ[ANSWERS_VARIABLE]) / f"{variables}.json").read_bytes()
