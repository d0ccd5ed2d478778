"""One WebSocket of a connection: the ASGI messages of the application on one side, frames on the other.

It needs no task of its own and no queue that grows: frames are read as they arrive, and the transport stops reading
while messages wait for the application.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol, TypeVarTuple

from vault.asgi import ASGIApp, ClientGone, Headers, Message, Scope
from vault.model.rate_limit import RateLimit
from vault.server.frames import CloseCode, Frame, FrameError, Frames, Opcode, close_code, close_frame, frame
from vault.server.handshake import accept_key

A = TypeVarTuple("A")

PING_SECONDS = 25.0
"""The time between two pings of the server. Proxies close connections that are silent for longer."""

SILENT_SECONDS = 60.0
"""A client that has sent nothing for this long, not even the answer to a ping, is gone."""

_GOODBYE_SECONDS = 3.0
"""How long a client may take to answer a close frame."""

_FRAMES_AT_ONCE = 60
_FRAMES_PER_SECOND = 10.0
"""A client that sends more frames, of any kind, is closed."""

_WAITING_MOST = 8
"""Messages that wait for the application before the transport stops reading."""

_UNREAD_BYTES = 8 * 1024
"""Bytes that a client may send before its handshake is answered."""

_UNSENT_BYTES = 4 * 1024
"""With more than this unsent, no ping is sent or answered: the client does not read."""


class Line(Protocol):
    """What a socket needs of its connection."""

    last_active_seconds: float

    def unsent_bytes(self) -> int: ...

    def write(self, data: bytes) -> None: ...

    def write_answer(self, status: int, headers: Headers, body: bytes) -> None: ...

    def set_reading(self, *, wanted: bool) -> None: ...

    def hang_up(self) -> None: ...

    def give_up(self, cause: str) -> None: ...


class _State(Enum):
    OPENING = auto()
    OPEN = auto()
    CLOSING = auto()
    """The server has sent a close frame, and waits for the client's."""
    ENDED = auto()


class Socket:
    """One WebSocket, from its handshake to its end."""

    __slots__ = (
        "_disconnect", "_ended", "_frames", "_key", "_line", "_loop", "_messages",
        "_rate_limit", "_refusal", "_state", "_timer", "_waiter",
    )  # fmt: skip

    def __init__(self, line: Line, key: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self._line = line
        self._key = key
        self._loop = loop
        self._state = _State.OPENING
        self._frames = Frames()
        self._rate_limit = RateLimit(_FRAMES_PER_SECOND, _FRAMES_AT_ONCE, loop.time())
        # At most a few, so a list is smaller than a deque.
        self._messages: list[Message] = [{"type": "websocket.connect"}]
        self._disconnect: Message | None = None
        self._refusal: Message = {}
        self._waiter: asyncio.Future[None] | None = None
        self._ended: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Run the application, and then wait for the end of the closing handshake."""
        await app(scope, self.receive, self.send)
        if self._state is _State.CLOSING:
            self._ended = self._loop.create_future()
            await self._ended

    # -- The application's side --

    async def receive(self) -> Message:
        """Return the next ASGI message. After the last one, return it again."""
        while not self._messages:
            if self._disconnect is not None:
                return self._disconnect
            self._waiter = self._loop.create_future()
            await self._waiter
        message = self._messages.pop(0)
        self._read()
        return message

    async def send(self, message: Message) -> None:
        """Take an ASGI message. Raises `ClientGone` for one that can no longer be sent."""
        kind = message["type"]
        if kind == "websocket.close":
            self.close(message.get("code", CloseCode.NORMAL), message.get("reason") or "")
        elif self._state is not (_State.OPEN if kind == "websocket.send" else _State.OPENING):
            raise ClientGone
        elif kind == "websocket.send":
            text = message.get("text")
            payload = message.get("bytes") if text is None else text.encode()
            self._line.write(frame(Opcode.BINARY if text is None else Opcode.TEXT, payload or b""))
        elif kind == "websocket.accept":
            self._accept(message.get("headers", []))
        elif kind == "websocket.http.response.start":
            self._refusal = message
        else:
            self._line.write_answer(self._refusal["status"], self._refusal["headers"], message.get("body", b""))
            self._end(CloseCode.ABNORMAL)

    def _accept(self, headers: Headers) -> None:
        fields = [
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-accept", accept_key(self._key)),
            *headers,
        ]
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in fields)
        self._line.write(b"HTTP/1.1 101 Switching Protocols\r\n%s\r\n" % lines)
        self._state = _State.OPEN
        # Not all at the same moment, after a restart that brought many clients back.
        self._timer = self._loop.call_later(PING_SECONDS * random.uniform(0.5, 1.0), self._beat)  # noqa: S311
        self._read()

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame, and wait a short time for the client's."""
        if self._state is not _State.OPEN:
            return
        self._line.write(close_frame(code, reason))
        self._state = _State.CLOSING
        self._frames.skip_to_close()
        self._tell(code)
        self._restart_timer(_GOODBYE_SECONDS, self._end, code)
        self._line.set_reading(wanted=True)

    # -- The client's side --

    def feed_data(self, data: bytes) -> None:
        """Take bytes from the client."""
        if self._state is _State.ENDED:
            return
        self._frames.feed(data)
        self._read()

    def feed_eof(self) -> None:
        """Note that the connection is lost."""
        self._end(CloseCode.ABNORMAL)

    def _read(self) -> None:
        """Handle the frames that have arrived, as far as the application keeps up."""
        if self._state is _State.OPENING:
            self._line.set_reading(wanted=self._frames.waiting_bytes <= _UNREAD_BYTES)
            return
        while self._wants_frames():
            try:
                arrived = self._frames.next()
                if arrived is None:
                    break
                self._count()
                self._handle(arrived)
            except FrameError as error:
                self.close(error.code, error.reason)
        if self._state is not _State.ENDED:
            self._line.set_reading(wanted=self._wants_frames())

    def _wants_frames(self) -> bool:
        if self._state is _State.OPEN:
            return len(self._messages) < _WAITING_MOST
        return self._state is _State.CLOSING

    def _count(self) -> None:
        if not self._rate_limit.allows(self._loop.time()) and self._state is _State.OPEN:
            raise FrameError(CloseCode.POLICY_VIOLATION, "too many frames")

    def _handle(self, arrived: Frame) -> None:
        opcode, payload = arrived
        if opcode is Opcode.CLOSE:
            self._handle_close(payload)
        elif opcode is Opcode.PING:
            if self._line.unsent_bytes() <= _UNSENT_BYTES:
                self._line.write(frame(Opcode.PONG, payload))
        elif opcode is Opcode.TEXT:
            self._put({"type": "websocket.receive", "text": payload.decode()})
        elif opcode is Opcode.BINARY:
            self._put({"type": "websocket.receive", "bytes": payload})

    def _handle_close(self, payload: bytes) -> None:
        code = close_code(payload)
        if self._state is _State.OPEN:
            self._line.write(frame(Opcode.CLOSE, payload[:2]))
        self._end(code)

    def _beat(self) -> None:
        silent_seconds = self._loop.time() - self._line.last_active_seconds
        if silent_seconds >= SILENT_SECONDS:
            self._line.give_up("silent")
            return
        if self._line.unsent_bytes() <= _UNSENT_BYTES:
            self._line.write(frame(Opcode.PING, b""))
        self._restart_timer(min(PING_SECONDS, SILENT_SECONDS - silent_seconds), self._beat)

    # -- The end --

    def _end(self, code: int) -> None:
        if self._state is _State.ENDED:
            return
        self._state = _State.ENDED
        if self._timer is not None:
            self._timer.cancel()
        self._tell(code)
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
        self._line.hang_up()

    def _tell(self, code: int) -> None:
        """Tell the application that the socket is closed. The first code counts."""
        if self._disconnect is None:
            self._disconnect = {"type": "websocket.disconnect", "code": code}
            self._put(self._disconnect)

    def _put(self, message: Message) -> None:
        self._messages.append(message)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _restart_timer(self, seconds: float, action: Callable[[*A], None], *arguments: *A) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, action, *arguments)
