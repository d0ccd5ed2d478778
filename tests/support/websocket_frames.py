"""The frames of RFC 6455 for a client of tests, from bytes to bytes: no socket, no library.

parser = FrameParser()
for frame in parser.feed(data):
    if frame.opcode == PING:
        send(masked(PONG, frame.payload))
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Frame(NamedTuple):
    """One frame. The server's messages fit into one frame each."""

    opcode: int
    payload: bytes

    def json(self) -> Any:
        return json.loads(self.payload)

    @property
    def code(self) -> int:
        """The code of a close frame."""
        return int.from_bytes(self.payload[:2])


class FrameParser:
    """Takes a server's bytes as they come."""

    def __init__(self) -> None:
        self._received = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are complete now."""
        self._received += data
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> Frame | None:
        received = self._received
        if len(received) < 2:
            return None
        length, start = received[1] & 127, 2
        assert received[1] < 128, "A server masks nothing."
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(received) < start:
                return None
            length = int.from_bytes(received[2:start])
        if len(received) < start + length:
            return None
        self._received = received[start + length :]
        return Frame(received[0] & 15, received[start : start + length])


def handshake(path: str, secret: str = "", **headers: str) -> bytes:
    """The request that opens a WebSocket."""
    lines = [
        f"GET {path} HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket",
        "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
    ]  # fmt: skip
    if secret:
        lines.append(f"Authorization: Bearer {secret}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def masked(opcode: int, payload: bytes) -> bytes:
    """A client's frame, in one piece. The mask is zeros: it hides nothing here, and the frame is as valid."""
    if len(payload) < 126:
        length = bytes([128 | len(payload)])
    else:
        length = bytes([128 | 126]) + len(payload).to_bytes(2)
    return bytes([128 | opcode]) + length + bytes(4) + payload


def text(message: object) -> bytes:
    """A client's message as JSON."""
    return masked(TEXT, json.dumps(message).encode())
