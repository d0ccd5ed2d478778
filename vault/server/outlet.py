"""Sends answers in slices, within a time that depends on their size."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Protocol

from vault.asgi import Headers, Message, Send
from vault.server.memory import MemoryBudget
from vault.server.refusal import Answer

WIRE = "strongroom.wire"
"""The key of the connection's `Wire` in the ASGI scope."""

SLICE_BYTES = 64 * 1024
LOOK_SECONDS = 0.02
_UNCHARGED_SECONDS = 1.0


class Wire(Protocol):
    """What the door needs from the connection of a call."""

    @property
    def budget(self) -> MemoryBudget:
        """The memory held for this connection."""

    is_shared: bool
    """Whether other answers may be sent on the same connection at the same time."""

    @property
    def is_closed(self) -> bool:
        """Whether nothing that is sent now can arrive."""

    def unsent_bytes(self) -> int:
        """Bytes that were written but that the kernel has not taken yet."""

    async def cut(self) -> None:
        """End this answer now: its stream over HTTP/2, its connection over HTTP/1."""


class _UnlimitedWire:
    """A connection that takes everything at once, for calls without a real one."""

    budget = MemoryBudget(sys.maxsize)
    is_shared = False
    is_closed = False

    def unsent_bytes(self) -> int:
        return 0

    async def cut(self) -> None:
        """Does nothing."""


UNLIMITED_WIRE: Wire = _UnlimitedWire()


class Outlet:
    """Sends answers to clients that may read slowly or not at all.

    The whole answer, and each slice of it, may take `patience_seconds` plus the time that it takes at
    `least_bytes_per_second`.
    """

    def __init__(self, patience_seconds: float, least_bytes_per_second: int) -> None:
        self._patience_seconds = patience_seconds
        self._slice_seconds = patience_seconds + SLICE_BYTES / least_bytes_per_second
        self._least_bytes_per_second = least_bytes_per_second

    async def send(self, send: Send, answer: Answer, headers: Headers, wire: Wire, *, is_charged: bool = True) -> bool:
        """Send `answer`. Returns False if the client was too slow and was cut off.

        An answer that is charged to no caller has one second.
        """
        is_written = False
        try:
            async with asyncio.timeout(self._slice_seconds if is_charged else _UNCHARGED_SECONDS) as limit:
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
                await self._write(send, answer.body, limit)
                is_written = True
                if wire.unsent_bytes():
                    await self._flush(wire, limit)
        except TimeoutError:
            if is_written and wire.is_shared:
                # The unsent bytes may belong to later answers on this connection.
                return True
            await wire.cut()
            return False
        return True

    async def _write(self, send: Send, body: bytes, limit: asyncio.Timeout) -> None:
        end_seconds = self._end(len(body))
        for piece in pieces({"type": "http.response.body", "body": body}):
            await send(piece)
            if piece.get("more_body", False):
                self._extend(limit, end_seconds)

    async def _flush(self, wire: Wire, limit: asyncio.Timeout) -> None:
        unsent_bytes = wire.unsent_bytes()
        end_seconds = self._end(unsent_bytes)
        self._extend(limit, end_seconds)
        # asyncio has no event for an empty buffer, so poll.
        while left_bytes := wire.unsent_bytes():
            if left_bytes < unsent_bytes:
                unsent_bytes = left_bytes
                self._extend(limit, end_seconds)
            await asyncio.sleep(LOOK_SECONDS)

    def _end(self, size: int) -> float:
        seconds = self._patience_seconds + size / self._least_bytes_per_second
        return asyncio.get_running_loop().time() + seconds

    def _extend(self, limit: asyncio.Timeout, end_seconds: float) -> None:
        limit.reschedule(min(asyncio.get_running_loop().time() + self._slice_seconds, end_seconds))


def pieces(message: Message) -> Iterator[Message]:
    """Yield an ASGI message, cut into slices if it is a large part of a body."""
    body = message.get("body", b"")
    if message["type"] != "http.response.body" or len(body) <= SLICE_BYTES:
        yield message
        return
    # A large answer in one piece would fill asyncio's TLS buffer.
    for start in range(0, len(body), SLICE_BYTES):
        is_last = start + SLICE_BYTES >= len(body)
        more_body = message.get("more_body", False) or not is_last
        yield {"type": message["type"], "body": body[start : start + SLICE_BYTES], "more_body": more_body}
