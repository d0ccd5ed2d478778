"""A WebSocket client whose every byte the test decides."""

from __future__ import annotations

from typing import NamedTuple

from tests.integration.server.conftest import Raw, Reply
from tests.support.serving import RunningServer

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA

_MASK = bytes.fromhex("37fa213d")
"""The mask of the examples in RFC 6455. A random one would give tests that are named by their frames new names."""


class Arrived(NamedTuple):
    """One frame from the server."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int:
        """The code of a close frame; 0 if it has none."""
        return int.from_bytes(self.payload[:2])


def handshake(path: str = "/sync", *lines: str) -> bytes:
    """A client's opening handshake."""
    head = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket"]
    head += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *lines]
    return "\r\n".join([*head, "", ""]).encode()


def masked(opcode: int, payload: bytes, *, first: int = 0x80) -> bytes:
    """A client's frame. `first` has the bits besides the opcode: by default, that this is the last fragment."""
    size = len(payload)
    if size < 126:
        length = bytes((0x80 | size,))
    elif size < 65536:
        length = bytes((0x80 | 126,)) + size.to_bytes(2)
    else:
        length = bytes((0x80 | 127,)) + size.to_bytes(8)
    body = bytes(byte ^ _MASK[index % 4] for index, byte in enumerate(payload))
    return bytes((first | opcode,)) + length + _MASK + body


class SocketClient:
    """One WebSocket, opened and accepted."""

    def __init__(
        self, server: RunningServer, path: str = "/sync", *lines: str, behind: bytes = b"", port: int = 0
    ) -> None:
        self.raw = Raw(server, port=port)
        self.raw.send(handshake(path, *lines) + behind)
        self._received = b""
        while b"\r\n\r\n" not in self._received:
            self._received += self._some()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        status_line, *fields = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
        self.accepted = Reply(int(status_line.split()[1]), headers, b"")
        assert self.accepted.status == 101

    def send(self, opcode: int, payload: bytes, *, first: int = 0x80) -> None:
        self.raw.send(masked(opcode, payload, first=first))

    def next(self) -> Arrived:
        """The next frame. Raises `ConnectionError` after the last one."""
        size = self._need(2)[1]
        head = 2
        if size >= 126:
            head = 4 if size == 126 else 10
            size = int.from_bytes(self._need(head)[2:head])
        whole = self._need(head + size)
        self._received = whole[head + size :]
        return Arrived(whole[0] & 0x0F, whole[head : head + size])

    def echo(self, text: str) -> str:
        """What comes back for a text."""
        self.send(TEXT, text.encode())
        return self.next().payload.decode()

    def code(self) -> int:
        """The code with which the server closes, after frames of other kinds."""
        while (arrived := self.next()).opcode != CLOSE:
            pass
        return arrived.code

    def close(self) -> None:
        self.raw.close()

    def _need(self, size: int) -> bytes:
        while len(self._received) < size:
            self._received += self._some()
        return self._received

    def _some(self) -> bytes:
        data = self.raw.socket.recv(65536)
        if not data:
            raise ConnectionError("The server has closed the connection.")
        return data
