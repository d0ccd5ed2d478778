"""How answers go out: in slices, and within a time that depends on their size."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from vault.server.budget import Budget
from vault.server.refusal import Answer, Headers

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

WIRE = "strongroom.wire"
"""The name in the ASGI scope under which the connection hands over its `Wire`."""

_SLICE_BYTES = 64 * 1024
_LOOK_SECONDS = 0.02


class Wire(Protocol):
    """What the door asks of the connection that a call came on."""

    @property
    def budget(self) -> Budget:
        """The memory that is held for this connection."""

    is_shared: bool
    """Whether other answers go out on the same connection at the same time."""

    def unsent_bytes(self) -> int:
        """How much of what was written is not with the kernel yet."""

    async def cut(self) -> None:
        """End this answer now: its stream over HTTP/2, its connection over HTTP/1."""


class _UnlimitedWire:
    """A connection that takes everything at once."""

    budget = Budget(sys.maxsize)
    is_shared = False

    def unsent_bytes(self) -> int:
        return 0

    async def cut(self) -> None:
        """There is nothing to end."""


UNLIMITED_WIRE: Wire = _UnlimitedWire()


class Outlet:
    """Sends answers to clients that may read slowly, or not at all.

    The whole answer, and each slice of it, may take `patience_seconds`, and besides as long as
    `least_bytes_per_second` needs for it.
    """

    def __init__(self, patience_seconds: float, least_bytes_per_second: int) -> None:
        self._patience_seconds = patience_seconds
        self._slice_seconds = patience_seconds + _SLICE_BYTES / least_bytes_per_second
        self._least_bytes_per_second = least_bytes_per_second

    async def send(self, send: Send, answer: Answer, headers: Headers, wire: Wire) -> bool:
        """Send `answer`; false when its client was too slow and has been cut off."""
        is_written = False
        try:
            async with asyncio.timeout(self._slice_seconds) as limit:
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
                await self._write(send, answer.body, limit)
                is_written = True
                if wire.unsent_bytes():
                    await self._flush(wire, limit)
        except TimeoutError:
            if is_written and wire.is_shared:
                # What is unsent may belong to the answers that came after this one.
                return True
            await wire.cut()
            return False
        return True

    async def _write(self, send: Send, body: bytes, limit: asyncio.Timeout) -> None:
        end_seconds = self._end(len(body))
        # In one piece, all of a large answer would lie in asyncio's TLS buffer.
        for start in range(0, len(body) - _SLICE_BYTES, _SLICE_BYTES):
            await send({"type": "http.response.body", "body": body[start : start + _SLICE_BYTES], "more_body": True})
            self._extend(limit, end_seconds)
        rest = body if len(body) <= _SLICE_BYTES else body[-(len(body) % _SLICE_BYTES or _SLICE_BYTES) :]
        await send({"type": "http.response.body", "body": rest})

    async def _flush(self, wire: Wire, limit: asyncio.Timeout) -> None:
        unsent_bytes = wire.unsent_bytes()
        end_seconds = self._end(unsent_bytes)
        self._extend(limit, end_seconds)
        # A transport tells nobody when its buffer is empty.
        while left_bytes := wire.unsent_bytes():
            if left_bytes < unsent_bytes:
                unsent_bytes = left_bytes
                self._extend(limit, end_seconds)
            await asyncio.sleep(_LOOK_SECONDS)

    def _end(self, size: int) -> float:
        seconds = self._patience_seconds + size / self._least_bytes_per_second
        return asyncio.get_running_loop().time() + seconds

    def _extend(self, limit: asyncio.Timeout, end_seconds: float) -> None:
        limit.reschedule(min(asyncio.get_running_loop().time() + self._slice_seconds, end_seconds))
