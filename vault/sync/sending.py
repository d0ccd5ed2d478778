"""Sends to one client what its listener gets, until the stream ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn, Protocol

from vault.observe import metrics
from vault.sync.listener import Listener
from vault.sync.messages import Frame, Notice, fresh_cursor

CURSOR_SECONDS = 600.0
"""The fixed rhythm of `cursor` messages. They come whether or not anything has happened, so they tell nothing."""


class Channel(Protocol):
    """How messages get to the client: a WebSocket or an event stream."""

    kind: str
    """What is counted in the metrics."""
    quiet_seconds: float
    """After this long without a message, `keep_alive` is called."""

    async def say(self, message: Frame | Notice) -> None:
        """Send one message. Raises `ClientGone`."""

    async def keep_alive(self) -> None:
        """Show that the stream lives."""


class Sender:
    """The task that sends to one client. Only this task sends, so messages keep their order."""

    def __init__(self, listener: Listener, channel: Channel, cursor: Callable[[int], str]) -> None:
        """`cursor` seals the number of a change."""
        self._listener = listener
        self._channel = channel
        self._cursor = cursor
        self._told = metrics().feed_told.labels(channel.kind)

    async def run(self) -> NoReturn:
        """Send until the stream ends. Raises `Ended`, and `ClientGone`."""
        loop, listener = asyncio.get_running_loop(), self._listener
        heard_seconds = loop.time()
        cursor_seconds = heard_seconds + CURSOR_SECONDS
        source = listener.source
        while True:
            due_seconds = min(heard_seconds + self._channel.quiet_seconds, cursor_seconds)
            frames = await listener.frames(due_seconds - loop.time(), source)
            if listener.source is not source:
                source = listener.source
                if listener.notice is not None:
                    await self._channel.say(listener.notice)
            elif frames:
                await self._send(frames, source)
            elif loop.time() >= cursor_seconds:
                cursor_seconds += CURSOR_SECONDS
                if not listener.is_complete:
                    # In the middle of a replay the client has a cursor, and this one would not age as it must.
                    continue
                await self._channel.say(fresh_cursor(self._cursor(listener.seq)))
            else:
                await self._channel.keep_alive()
            heard_seconds = loop.time()

    async def _send(self, frames: list[Frame], source: object) -> None:
        for frame in frames:
            self._listener.require_open()
            if self._listener.source is not source:
                # The client has subscribed to something else. The rest belongs to the old subscription.
                return
            await self._channel.say(frame)
            self._told.inc()
