"""A flag that ends a pause of a task."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class AsyncLatch:
    """A flag that is set once, by any task, and ends a pause."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def is_set(self) -> bool:
        """Whether it is set."""
        return self._event.is_set()

    def set(self) -> None:
        """Set the flag."""
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Return after `seconds`, or at once if the flag is set."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
