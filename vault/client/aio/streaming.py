"""An answer whose body comes piece by piece, over httpx2, or from a transport that only has whole answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from vault.client.aio.transport import AsyncTransport, explained, lower_names
from vault.client.transport import Request, Response

if TYPE_CHECKING:
    import httpx2

    from vault.client.address import Address


class AsyncStream(Protocol):
    """An answer whose head has come. Read by one task; only `interrupt` may be called by another."""

    status: int
    headers: Mapping[str, str]

    async def read(self, seconds: float) -> bytes | None:
        """Return the next bytes of the body: b"" if none come within `seconds`, and None at its end.

        Raises `TransportError` if the answer breaks off.
        """

    def interrupt(self) -> None:
        """Make a `read` that waits return."""

    async def close(self) -> None:
        """Close the connection."""


@runtime_checkable
class AsyncStreamingTransport(AsyncTransport, Protocol):
    """A transport whose answers can also be read piece by piece."""

    async def stream(self, request: Request, wait_seconds: float) -> AsyncStream:
        """Return the server's answer, with any status, when its head has come: `wait_seconds` later than others may.

        Raises what `send` raises.
        """


async def open_stream(transport: AsyncTransport, request: Request, wait_seconds: float) -> AsyncStream:
    """Return the answer of `transport`, in one piece if it cannot do otherwise."""
    if isinstance(transport, AsyncStreamingTransport):
        return await transport.stream(request, wait_seconds)
    return AsyncWholeStream(await transport.send(request))


class AsyncWholeStream:
    """An answer that has come whole."""

    def __init__(self, response: Response) -> None:
        self.status = response.status
        self.headers = response.headers
        self._rest: bytes = response.body

    async def read(self, seconds: float) -> bytes | None:
        """Return the body, then None."""
        found, self._rest = self._rest, b""
        return found or None

    def interrupt(self) -> None:
        """Does nothing."""

    async def close(self) -> None:
        """Does nothing."""


class HttpxStream:
    """The answer to one request on a connection of its own."""

    def __init__(self, answer: httpx2.Response, address: Address) -> None:
        self.status = answer.status_code
        self.headers: Mapping[str, str] = lower_names(answer)
        self._answer = answer
        self._address = address
        self._pieces: AsyncIterator[bytes] = answer.aiter_raw()
        # A read of httpx2 that is cancelled closes the connection, so it goes on beyond the end of a wait.
        self._pending: asyncio.Task[bytes | None] | None = None

    async def read(self, seconds: float) -> bytes | None:
        """Return the next bytes of the body: b"" if none come within `seconds`, and None at its end."""
        if self._pending is None:
            self._pending = asyncio.create_task(_next(self._pieces))
        done, _ = await asyncio.wait([self._pending], timeout=max(seconds, 0.0))
        if not done:
            return b""
        pending, self._pending = self._pending, None
        if pending.cancelled():
            return None
        with explained(self._address, seconds):
            return pending.result()

    def interrupt(self) -> None:
        """Make a `read` that waits return."""
        if self._pending is not None:
            self._pending.cancel()

    async def close(self) -> None:
        """Close the connection."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
            await asyncio.wait([pending])
            with suppress(asyncio.CancelledError, Exception):
                pending.result()
        await self._answer.aclose()


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    return await anext(pieces, None)
