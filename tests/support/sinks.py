"""Receivers of syslog for tests, on loopback: UDP, and TCP or TLS with counted octets (RFC 6587, RFC 5425)."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from pathlib import Path
from typing import Any, Self

_WAIT_SECONDS = 0.2


class Sink:
    """Takes messages in a thread until it is closed. `messages` are their JSON parts, in order."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.port: int = listener.getsockname()[1]
        self.messages: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        self._listener.close()

    @property
    def places(self) -> list[int]:
        """Return the positions of the received events."""
        return [message["sequence"] for message in self.messages if "sequence" in message]

    def take(self, message: bytes) -> None:
        """Store one message."""
        self.raw.append(message)
        self.messages.append(json.loads(message.decode().split(" audit - ", 1)[1]))

    def _run(self) -> None:
        raise NotImplementedError


class UdpSink(Sink):
    """Receives each datagram as one message."""

    def __init__(self) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind(("127.0.0.1", 0))
        super().__init__(listener)

    def _run(self) -> None:
        self._listener.settimeout(_WAIT_SECONDS)
        while not self._ends.is_set():
            with contextlib.suppress(TimeoutError):
                self.take(self._listener.recv(70_000))


class StreamSink(Sink):
    """Accepts one connection at a time, with TLS if there is a certificate. It closes the first one before reading all
    of it.
    """

    def __init__(self, certificate: Path | None = None, *, port: int = 0, hang_up_after: int | None = None) -> None:
        super().__init__(socket.create_server(("127.0.0.1", port)))
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._context.load_cert_chain(certificate)
        self._hang_up_after = hang_up_after
        self.connections = 0
        self.hung_up = threading.Event()

    def _run(self) -> None:
        self._listener.settimeout(_WAIT_SECONDS)
        while not self._ends.is_set():
            with contextlib.suppress(OSError):
                plain, _ = self._listener.accept()
                with plain:
                    self.connections += 1
                    plain.settimeout(5)
                    self._serve(self._context.wrap_socket(plain, server_side=True) if self._context else plain)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(_WAIT_SECONDS)
        data = b""
        with connection:
            while not self._ends.is_set():
                try:
                    more = connection.recv(65_536)
                except TimeoutError:
                    continue
                if not more:
                    return
                data += more
                while (message := _first(data)) is not None:
                    if self._hang_up_after is not None and len(self.raw) >= self._hang_up_after:
                        self._hang_up_after = None
                        self.hung_up.set()
                        return
                    length, body = message
                    self.take(body)
                    data = data[length:]


def _first(data: bytes) -> tuple[int, bytes] | None:
    count, space, rest = data.partition(b" ")
    if not space or len(rest) < int(count):
        return None
    return len(count) + 1 + int(count), rest[: int(count)]
