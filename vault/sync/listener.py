"""The end of one stream in the event loop: what waits for the client, and why the stream ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from vault.sync.backlog import Backlog
from vault.sync.endings import SLOW, Ending
from vault.sync.messages import Frame, Notice


class Ended(Exception):
    """The stream has ended. Whatever waited for the client is dropped."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.code)
        self.ending = ending


class Listener:
    """Takes frames from the hub and gives them to the client's task. All methods run in the event loop."""

    __slots__ = (
        "_backlog", "_is_behind", "_is_full", "_on_room", "_seq", "_waiter", "ending", "is_complete",
        "notice", "on_end", "seq", "source",
    )  # fmt: skip

    def __init__(self) -> None:
        self.ending: Ending | None = None
        self.on_end: Callable[[], None] | None = None
        """Called once when the stream ends."""
        self._backlog = Backlog()
        self.source: object = None
        """The following whose frames are taken. None before the first subscription."""
        self._on_room: Callable[[], None] | None = None
        self.notice: Notice | None = None
        """What answers the subscription, if anything does."""
        self.seq = 0
        """Everything up to this number was returned by `frames`."""
        self.is_complete = False
        """Whether that was everything when it was read."""
        self._is_behind = self._is_full = False
        self._seq = 0
        self._waiter: asyncio.Future[None] | None = None

    def listen_to(self, source: object, seq: int, on_room: Callable[[], None], notice: Notice | None = None) -> None:
        """Take frames of `source` alone, which begin after `seq`. `on_room` asks it for more after a full page."""
        self._backlog.clear()
        self.source, self._on_room = source, on_room
        self.notice = notice
        self._seq = self.seq = seq
        self._is_behind = self._is_full = self.is_complete = False
        self._notify()

    def deliver(self, source: object, frames: list[Frame], seq: int, *, more: bool) -> None:
        """Take frames. With them, everything up to `seq` has been told. `more` asks for the rest once these are taken.

        Frames of a source that was replaced meanwhile are dropped.
        """
        if source is not self.source or self.ending is not None:
            return
        for frame in frames:
            if not self._backlog.put(frame):
                self.end(SLOW)
                return
        self._seq, self._is_full = seq, not more
        self._is_behind = more
        if self._backlog:
            self._notify()
        else:
            self._ask_for_more()

    def end(self, ending: Ending) -> None:
        """End the stream. Nothing is delivered after this. The first ending counts."""
        if self.ending is None:
            self.ending = ending
            self._backlog.clear()
            self._notify()
            if self.on_end is not None:
                self.on_end()

    def require_open(self) -> None:
        """Raise `Ended` if the stream has ended. Call this before each frame is sent."""
        if self.ending is not None:
            raise Ended(self.ending)

    async def frames(self, seconds: float, known: object) -> list[Frame]:
        """Return the frames that wait, in ascending order. Waits at most `seconds`, then returns none.

        Returns none at once if the source is not `known`. Raises `Ended`.
        """
        loop = asyncio.get_running_loop()
        end_seconds = loop.time() + seconds
        while True:
            self.require_open()
            if self.source is not known:
                return []
            frames = self._backlog.take()
            self.seq, self.is_complete = self._seq, self._is_full
            if frames:
                # The next page is read while these frames are sent.
                self._ask_for_more()
                return frames
            left_seconds = end_seconds - loop.time()
            if left_seconds <= 0:
                return []
            await self._wait(left_seconds)

    def _ask_for_more(self) -> None:
        if self._is_behind and self._on_room is not None:
            self._is_behind = False
            self._on_room()

    async def _wait(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self._notify)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _notify(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
