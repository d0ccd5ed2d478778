"""A transport that calls an app in this process, without a socket."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from vault.client.transport import Request, Response

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment


class WsgiTransport:
    """Calls a WSGI app in this process without a socket, for tests of an app and of programs that use this SDK."""

    def __init__(self, app: WSGIApplication, *, remote_address: str = "127.0.0.1") -> None:
        self._app = app
        self._remote_address = remote_address

    def send(self, request: Request) -> Response:
        """Return the app's whole answer."""
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _exc_info: object = None
        ) -> Callable[[bytes], object]:
            started.append((status, headers))
            return lambda _data: None

        chunks = self._app(self._environ(request), start_response)
        try:
            body = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        status, headers = started[-1]
        return Response(int(status.split()[0]), {name.lower(): value for name, value in headers}, body)

    def close(self) -> None:
        """Does nothing."""

    def _environ(self, request: Request) -> WSGIEnvironment:
        path, _, query = request.path.partition("?")
        body = request.body or b""
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            # PEP 3333: the decoded path, each byte as one Latin-1 character.
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            # As on our server: it distinguishes an encoded slash from a real one.
            "RAW_URI": request.path,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self._remote_address,
            "HTTP_HOST": "localhost",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in request.headers.items():
            key = name.upper().replace("-", "_")
            environ["CONTENT_TYPE" if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        return environ
