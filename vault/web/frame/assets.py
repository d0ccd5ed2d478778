"""What pages load: one style sheet, a few modules, an icon. Their address changes with their content."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from pathlib import Path

from flask import Flask, Response, request

from vault.errors import NotFound
from vault.http import public

_FOLDER = Path(__file__).parent.parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_GOOD = "public, max-age=31536000, immutable"


@cache
def _files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}


@cache
def _small() -> dict[str, bytes]:
    """The same, compressed. Pages are not: what is secret in them could be told from their length."""
    return {name: gzip.compress(content, mtime=0) for name, content in _files().items()}


@cache
def _build() -> str:
    """One name for all files as they are now: modules find each other beside themselves."""
    parts = (name.encode() + b"\0" + content for name, content in _files().items())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def url(name: str) -> str:
    """The address of one file."""
    return f"/static/{_build()}/{name}"


def register(app: Flask) -> None:
    """Serve the files to everybody: they are the same for all."""
    app.add_url_rule("/static/<build>/<name>", "asset", _serve, methods=["GET"])


@public
def _serve(build: str, name: str) -> Response:
    if build != _build() or name not in _files():
        raise NotFound()
    takes_gzip = request.accept_encodings["gzip"] > 0
    response = Response((_small() if takes_gzip else _files())[name], mimetype=_TYPES[Path(name).suffix])
    response.headers["Vary"] = "Accept-Encoding"
    if takes_gzip:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Cache-Control"] = _FOR_GOOD
    return response
