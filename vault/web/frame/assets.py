"""The style sheet, scripts and icon of the pages. Their URL changes with their content."""

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
    """Return the files, compressed. Pages are not compressed: their length could then reveal a secret in them."""
    return {name: gzip.compress(content, mtime=0) for name, content in _files().items()}


@cache
def _build() -> str:
    """Return one build name for all files, because the modules import each other by relative URLs."""
    parts = (name.encode() + b"\0" + content for name, content in _files().items())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def url(name: str) -> str:
    """Return the URL of one file."""
    return f"/static/{_build()}/{name}"


def register(app: Flask) -> None:
    """Serve the files to everybody. They contain no secrets."""
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
