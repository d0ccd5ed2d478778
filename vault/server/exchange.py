"""One call that stays open, between the server's protocol and the live application.

It adds what every answer has, notes when and how the answer began, and tells the application of a drain.
"""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus
from typing import Protocol

from vault.asgi import DRAIN, ClientGone, Message, Receive, Refusal, Scope, Send
from vault.errors import Forbidden
from vault.server.bridge import Lane
from vault.server.callers import Slot
from vault.server.frames import CloseCode
from vault.server.reception import Call, Reception
from vault.server.refusal import Answer
from vault.server.stream_outlet import StreamOutlet

_SWITCHING = 101


class House(Protocol):
    """What a call that stays open needs of the door."""

    draining: bool
    reception: Reception
    calls: Lane
    stream_outlet: StreamOutlet

    async def take(
        self, scope: Scope, receive: Receive, call: Call, lane: Lane, path_info: str
    ) -> tuple[Slot, bytes]: ...

    def refuse(self, refusal: Refusal, scope: Scope, call: Call) -> Answer: ...

    async def send(self, send: Send, answer: Answer, call: Call) -> bool: ...


class StreamExchange:
    """An event stream, or a long poll. `status` is 0 until the answer begins."""

    def __init__(self, receive: Receive, send: Send, call: Call, house: House) -> None:
        self.status = 0
        self.answered_seconds = 0.0
        self._receive = receive
        self._send = send
        self._call = call
        self._house = house
        self._drain: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._is_told = False
        self._is_complete = False
        self._arriving: asyncio.Future[Message] | None = None

    async def receive(self) -> Message:
        """Return that the client has left, or once that the server is about to stop."""
        while True:
            if self._arriving is None:
                self._arriving = asyncio.ensure_future(self._receive())
            waiting: set[asyncio.Future[Message] | asyncio.Future[float]] = {self._arriving}
            if not self._is_told:
                waiting.add(self._drain)
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if self._drain.done() and not self._is_told:
                self._is_told = True
                return {"type": DRAIN, "seconds": self._drain.result()}
            arrived, self._arriving = self._arriving, None
            message = arrived.result()
            # The door has read the body and dropped it.
            if message["type"] != "http.request":
                return message

    async def send(self, message: Message) -> None:
        """Send a piece of the answer. Raises `ClientGone`."""
        if message["type"] == "http.response.start":
            headers = self._house.reception.dressed(message.get("headers", []), self._call.request_id)
            message = {**message, "headers": headers}
            self.status, self.answered_seconds = message["status"], self._call.seconds()
        else:
            self._is_complete = not message.get("more_body", False)
        await self._house.stream_outlet.send(self._send, message, self._call.wire)

    async def answer(self, answer: Answer) -> None:
        """Send a whole answer instead of the application's."""
        self.status, self.answered_seconds = answer.status, self._call.seconds()
        self._is_complete = True
        if not await self._house.send(self._send, answer, self._call):
            raise ClientGone

    async def drain(self, seconds: float) -> None:
        """Tell the application that the server is about to stop."""
        if not self._drain.done():
            self._drain.set_result(seconds)

    async def finish(self, *, has_failed: bool = False) -> None:
        """End the answer after the application has returned. Nobody may take a part of one for the whole."""
        if (has_failed or not self._is_complete) and not self._call.wire.is_closed:
            await self._call.wire.cut()

    def close(self) -> None:
        """Wait for the client no more."""
        if self._arriving is not None:
            self._arriving.cancel()


class SocketExchange:
    """A WebSocket. `status` is 0 until the handshake is answered."""

    def __init__(self, receive: Receive, send: Send, call: Call, house: House) -> None:
        self.status = 0
        self.answered_seconds = 0.0
        self.receive = receive
        self._send = send
        self._call = call
        self._house = house

    async def send(self, message: Message) -> None:
        """Accept the handshake or refuse it; then send a message. Raises `ClientGone`."""
        kind = message["type"]
        if kind == "websocket.close" and not self.status:
            raise Refusal(HTTPStatus.FORBIDDEN, Forbidden.code, Forbidden.sentence, cause="websocket_refused")
        if kind == "websocket.accept":
            headers = [*message.get("headers", []), (b"x-request-id", self._call.request_id.encode())]
            message = {**message, "headers": headers}
            self.status, self.answered_seconds = _SWITCHING, self._call.seconds()
        elif kind == "websocket.http.response.start":
            headers = self._house.reception.dressed(message.get("headers", []), self._call.request_id)
            message = {**message, "headers": headers}
            self.status, self.answered_seconds = message["status"], self._call.seconds()
        await self._house.stream_outlet.send(self._send, message, self._call.wire)

    async def answer(self, answer: Answer) -> None:
        """Refuse the handshake with a whole answer."""
        self.status, self.answered_seconds = answer.status, self._call.seconds()
        headers = self._house.reception.complete(answer, self._call.request_id)
        await self._send({"type": "websocket.http.response.start", "status": answer.status, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": answer.body})

    async def drain(self, seconds: float) -> None:
        """Ask the client to come back; another worker will accept it."""
        await self._close(CloseCode.SERVICE_RESTART, f"reconnect in {seconds:.0f} seconds")

    async def finish(self, *, has_failed: bool = False) -> None:
        """Close the socket after the application has returned."""
        await self._close(CloseCode.INTERNAL_ERROR if has_failed else CloseCode.NORMAL)

    def close(self) -> None:
        """Does nothing: the socket's own protocol ends it."""

    async def _close(self, code: CloseCode, reason: str = "") -> None:
        if self.status == _SWITCHING:
            with contextlib.suppress(ClientGone):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})


Exchange = StreamExchange | SocketExchange
