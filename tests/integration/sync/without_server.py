"""Calls of the feed without a server: the door's part is played here, and its jobs run in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

from tests.support.patience import HANG_SECONDS
from vault.asgi import LIVE_CALL, Message, Scope
from vault.sync import Live

T = TypeVar("T")

Headers = Mapping[bytes, bytes]

EVENTS = {b"accept": b"text/event-stream"}


def bearer(secret: str) -> dict[bytes, bytes]:
    """Return the header of a credential."""
    return {b"authorization": f"Bearer {secret}".encode()}


class Call:
    """A call of the door, whose jobs run in threads."""

    def __init__(self, headers: Headers) -> None:
        self.request_id = "request"
        self.address = "192.0.2.1"
        self.headers = headers
        self.forwarded_by_stranger = self.forwarded_by_proxy = False
        self.ending = ""

    async def run(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(None, job)

    def prove(self, person_id: str) -> None:
        """Does nothing."""


class Opened:
    """A call that is open: `type_` is `http` or `websocket`, and `sent` is what the application has sent."""

    def __init__(self, live: Live, type_: str, path: str, headers: Headers, query: str = "") -> None:
        self.sent: list[Message] = []
        self._type = type_
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        if type_ == "websocket":
            self._said.put_nowait({"type": "websocket.connect"})
        scope: Scope = {LIVE_CALL: Call(headers), "type": type_, "path": path, "query_string": query.encode()}
        self._begun = asyncio.Event()
        self._task = asyncio.create_task(live(scope, self._said.get, self._send))

    async def begun(self) -> None:
        """Wait until the application has answered. Raises the `Refusal` if it refuses the call."""
        begun = asyncio.create_task(self._begun.wait())
        await asyncio.wait({begun, self._task}, timeout=HANG_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not begun.done():
            begun.cancel()
            await self.ended()

    async def ended(self) -> None:
        """Wait for the end."""
        await asyncio.wait_for(self._task, HANG_SECONDS)

    async def leave(self) -> None:
        """Let the client leave, and wait for the end."""
        self._said.put_nowait({"type": f"{self._type}.disconnect"})
        await self.ended()

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        self._begun.set()
