"""Sends the pieces of answers that stay open, to clients that may read slowly or not at all.

`Outlet` gives a whole answer a deadline. A stream has none: only a client that makes no progress is cut off.
"""

from __future__ import annotations

import asyncio

from vault.asgi import ClientGone, Message, Send
from vault.observe import metrics
from vault.server.outlet import LOOK_SECONDS, Wire, pieces

AHEAD_BYTES = 16 * 1024
"""At most this much of a stream waits in this process before the sender must wait."""


class StreamOutlet:
    """Sends for one worker. A client may take nothing for `patience_seconds`."""

    def __init__(self, patience_seconds: float, least_bytes_per_second: int) -> None:
        self._patience_seconds = patience_seconds
        self._least_bytes_per_second = least_bytes_per_second

    async def send(self, send: Send, message: Message, wire: Wire) -> None:
        """Send one ASGI message, and wait until nearly all of it has left this process.

        Raises `ClientGone` if the client has left, or was cut off because it made no progress.
        """
        for piece in pieces(message):
            try:
                async with asyncio.timeout(self._seconds(len(piece.get("body", b"")))) as limit:
                    await self._hand_over(send, piece, wire)
                    await self._await_room(wire, limit)
            except TimeoutError:
                metrics().refusals.labels("write_timeout").inc()
                await wire.cut()
                raise ClientGone from None

    async def _hand_over(self, send: Send, piece: Message, wire: Wire) -> None:
        if wire.is_closed:
            raise ClientGone
        try:
            await send(piece)
        except TimeoutError:
            raise
        except OSError as error:
            # gunicorn's own error of this kind.
            raise ClientGone from error

    async def _await_room(self, wire: Wire, limit: asyncio.Timeout) -> None:
        unsent_bytes = wire.unsent_bytes()
        # asyncio has no event for a small buffer, so poll.
        while (left_bytes := wire.unsent_bytes()) > AHEAD_BYTES:
            if left_bytes < unsent_bytes:
                unsent_bytes = left_bytes
                limit.reschedule(asyncio.get_running_loop().time() + self._patience_seconds)
            await asyncio.sleep(LOOK_SECONDS)

    def _seconds(self, size: int) -> float:
        return self._patience_seconds + size / self._least_bytes_per_second
