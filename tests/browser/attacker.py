"""Somebody else's site: pages over TLS, on another port and under another name than the vault."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.browser.places import Authority


class Attacker(ThreadingHTTPServer):
    """Answers every path with the page that was last put there."""

    def __init__(self, trust: Authority) -> None:
        super().__init__(("127.0.0.1", 0), _Listener)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(trust.certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.page = ""

    @property
    def other_site(self) -> str:
        """An origin of another site: a cookie of the vault's that is SameSite=Strict does not come along."""
        return f"https://127.0.0.1:{self.server_address[1]}"

    @property
    def same_site(self) -> str:
        """Another origin of the same site: cookies do come along."""
        return f"https://localhost:{self.server_address[1]}"


class _Listener(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Attacker)
        body = f"<!doctype html><title>Win a prize</title>{self.server.page}".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: Any) -> None:
        """Nothing: the test looks at the browser."""


@contextmanager
def attacking(trust: Authority) -> Iterator[Attacker]:
    """The site, from here to the end of the block."""
    with Attacker(trust) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
