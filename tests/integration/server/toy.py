"""A Flask app that does what a test of the server wants to see, and nothing else."""

from __future__ import annotations

import ctypes
import hashlib
import os
import time
from collections.abc import Callable

from flask import Flask, Response, jsonify, request

from vault.errors import DatabaseUnavailable, KeyringError
from vault.server import worker
from vault.settings import Settings


class Room:
    """What the server starts and stops in each worker; it leaves a file behind each time."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.data_dir

    def start(self) -> None:
        (self._folder / f"started-{os.getpid()}").touch()

    def stop(self) -> None:
        (self._folder / f"stopped-{os.getpid()}").touch()


def create_app(settings: Settings) -> Flask:
    """The toy."""
    if (settings.data_dir / "refuse-to-start").exists():
        raise KeyringError("The toy was told not to start.")
    if (settings.data_dir / "not-yet").exists():
        raise DatabaseUnavailable
    # How long it goes on answering after it was told to stop: longer where a busy machine asks slowly.
    worker._LAME_DUCK_SECONDS = float(os.environ.get("TOY_LAME_DUCK_SECONDS", worker._LAME_DUCK_SECONDS))
    app = Flask("toy")
    app.extensions["strongroom"] = Room(settings)
    _add_people(app)
    _add_probes(app)
    _add_work(app, settings)
    return app


def _add_people(app: Flask) -> None:
    @app.before_request
    def authenticate() -> None:
        """Every credential is accepted, and is its person's name."""
        if person := request.headers.get("Authorization", "").removeprefix("Bearer "):
            request.environ["strongroom.person"] = person


def _add_probes(app: Flask) -> None:
    @app.get("/readyz")
    def ready() -> Response:
        return jsonify(status="ok")

    @app.get("/pid")
    def pid() -> Response:
        return jsonify(pid=os.getpid())

    @app.get("/dumpable")
    def dumpable() -> Response:
        return jsonify(dumpable=ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE

    @app.get("/open")
    def is_open() -> Response:
        response = jsonify(ok=True)
        response.headers["Cache-Control"] = "private"
        response.headers["X-Request-Id"] = "the-application-may-not-choose-it"
        return response

    @app.get("/crash")
    def crash() -> Response:
        canary = "canary-in-a-local"
        raise ValueError(f"canary-in-a-message srm_t_{canary}")


def _add_work(app: Flask, settings: Settings) -> None:
    @app.get("/v1/slow/<int:seconds>")
    @app.get("/slow/<int:seconds>")
    @app.get("/slow/<float:seconds>")
    def slow(seconds: float) -> Response:
        time.sleep(seconds)
        return jsonify(slept=seconds)

    @app.post("/login")
    def login() -> Response:
        time.sleep(0.3)
        return jsonify(ok=True)

    @app.post("/store")
    def store() -> Response:
        body = request.get_data()
        (settings.data_dir / "stored").write_bytes(body)
        return jsonify(size=len(body), sha256=hashlib.sha256(body).hexdigest())

    @app.get("/repeat/<text>/<int:times>")
    def repeat(text: str, times: int) -> Response:
        return Response(text * times, mimetype="text/plain")

    @app.route("/echo/<path:rest>", methods=["GET", "POST"])
    def echo(rest: str) -> Response:
        names = ("REMOTE_ADDR", "RAW_URI", "PATH_INFO", "CONTENT_LENGTH", "wsgi.url_scheme")
        ours = {name: value for name, value in request.environ.items() if name.startswith("strongroom.")}
        return jsonify(
            rest=rest,
            headers=dict(request.headers),
            cookies=request.cookies,
            environ={name: request.environ[name] for name in names} | ours,
        )


def takes_password(_app: Flask) -> Callable[[str, str], bool]:
    """Which requests the server sends to the small pool."""
    return lambda method, path: method == "POST" and path == "/login"
