"""One running server with short limits for most tests here, and a way to speak to it byte by byte."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.patience import eventually
from tests.support.serving import RunningServer

TOY = "tests.integration.server.toy:create_app"

SHORT_LIMITS = {
    "STRONGROOM_WORKERS": "1",
    "STRONGROOM_THREADS": "4",
    "STRONGROOM_THREADS_PER_CALLER": "4",
    "STRONGROOM_LOGIN_THREADS": "1",
    "STRONGROOM_MAX_CONNECTIONS": "60",
    "STRONGROOM_MAX_REQUESTS_IN_FLIGHT": "12",
    "STRONGROOM_BODY_TIMEOUT_SECONDS": "1.5",
    "STRONGROOM_LEAST_BYTES_PER_SECOND": "65536",
    "STRONGROOM_HANDSHAKE_TIMEOUT_SECONDS": "0.7",
    "STRONGROOM_HEADER_TIMEOUT_SECONDS": "1.6",
    "STRONGROOM_BUFFERED_BYTES": str(4 * 1024 * 1024),
    "STRONGROOM_GRACEFUL_TIMEOUT_SECONDS": "8",
}


LIVE = "tests.integration.server.toy_live:create_app"

LIVE_LIMITS = SHORT_LIMITS | {
    "STRONGROOM_MAX_CONNECTIONS": "200",
    "STRONGROOM_MAX_REQUESTS_IN_FLIGHT": "400",
    "STRONGROOM_MAX_REQUESTS_IN_FLIGHT_PER_CALLER": "400",
    "STRONGROOM_HEADER_TIMEOUT_SECONDS": "30",
    "STRONGROOM_HANDSHAKE_TIMEOUT_SECONDS": "30",
}


class Reply(NamedTuple):
    """One HTTP/1.1 answer, taken apart."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Raw:
    """A connection whose every byte the test decides, over TLS if the server speaks it. `port` is that of a proxy."""

    def __init__(
        self,
        server: RunningServer,
        *,
        alpn: str = "http/1.1",
        timeout_seconds: float = 60.0,
        source: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port or server.port), timeout_seconds, (source, 0))
        self.protocol: str | None = None
        if server.tls:
            context = server.context()
            context.set_alpn_protocols([alpn])
            secured = context.wrap_socket(self.socket, server_hostname="localhost")
            self.socket, self.protocol = secured, secured.selected_alpn_protocol()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reply(self) -> Reply:
        """Read one answer by its Content-Length."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._some()
        head, _, body = received.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        while len(body) < int(headers.get("content-length", "0")):
            body += self._some()
        return Reply(int(status_line.split()[1]), headers, body)

    def is_closed(self, within_seconds: float = 30.0) -> bool:
        """Whether the server ends the connection, saying nothing more."""
        self.socket.settimeout(within_seconds)
        try:
            return self.socket.recv(1) == b""
        except TimeoutError:
            return False
        except (ConnectionError, ssl.SSLError):
            return True

    def close(self) -> None:
        self.socket.close()

    def _some(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("The server has closed the connection.")
        return data


HANDSHAKE = (
    b"GET /sync HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

Dial = Callable[..., Raw]


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server around the toy, shared by the tests that leave it as it was."""
    with RunningServer(tmp_path_factory.mktemp("server"), SHORT_LIMITS, factory=TOY) as running:
        yield running


@pytest.fixture(scope="package")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the toy whose calls stay open."""
    with RunningServer(tmp_path_factory.mktemp("live"), LIVE_LIMITS, factory=LIVE) as running:
        yield running


@pytest.fixture(scope="package")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The same, with time enough for clients of a busy machine: for tests whose clients are not the slow ones."""
    limits = SHORT_LIMITS | {f"STRONGROOM_{what}_TIMEOUT_SECONDS": "30" for what in ("HEADER", "HANDSHAKE", "BODY")}
    with RunningServer(tmp_path_factory.mktemp("patient"), limits, factory=TOY) as running:
        yield running


@pytest.fixture
def dial(server: RunningServer) -> Iterator[Dial]:
    """Makes raw connections, closed after the test."""
    with contextlib.ExitStack() as stack:

        def make(to: RunningServer = server, **options: Any) -> Raw:
            raw = Raw(to, **options)
            stack.callback(raw.close)
            return raw

        yield make


def get(server: RunningServer, path: str, **headers: str) -> Reply:
    """One GET on a connection of its own."""
    return request(server, "GET", path, headers=headers)


def request(
    server: RunningServer, method: str, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None
) -> Reply:
    """One request on a connection of its own."""
    connection = server.connect()
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        named = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, named, answer.read())
    finally:
        connection.close()


def logged(server: RunningServer, reply: Reply) -> list[str]:
    """The lines of the server's log about `reply`, which are written after it is sent."""
    request_id = reply.headers["x-request-id"]
    assert eventually(lambda: f'"request_id": "{request_id}", "peer"' in server.log)
    return [line for line in server.log.splitlines() if request_id in line]


def stored(server: RunningServer) -> Path:
    """Where the toy keeps the last body that it was given."""
    return server.data_dir / "stored"
