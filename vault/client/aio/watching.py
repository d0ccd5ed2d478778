"""What a program sees of the feed: the different values of an environment, or the changes themselves."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from vault.client.aio.caller import AsyncCaller
from vault.client.aio.following import AsyncFollower
from vault.client.aio.latch import AsyncLatch
from vault.client.feed import FeedChange, Subscription, subscription
from vault.client.pace import Backoff, Interruptions, OnInterruption, is_temporary
from vault.client.values import Values
from vault.errors import NotFound, StrongroomError

JITTER_SECONDS = 1.0
"""A thousand followers of one environment learn of a change at the same moment."""


class AsyncWatch:
    """The values of an environment now, then each different state. An asynchronous iterator and a context manager.

    States are compared by their values alone. One that was replaced before it was read is left out. Between two of
    them, the watch connects again by itself for as long as the trouble is temporary. A refusal of the vault is raised:
    `NotAuthenticated`, `Forbidden`, and `NotFound` also when the environment is deleted or renamed.
    """

    def __init__(
        self,
        caller: AsyncCaller,
        environment: str,
        fetch: Callable[[], Awaitable[Values]],
        jitter_seconds: float,
        on_interruption: OnInterruption | None,
    ) -> None:
        self._environment = environment
        self._fetch = fetch
        self._jitter_seconds = jitter_seconds
        self._interruptions = Interruptions(on_interruption)
        self._backoff = Backoff()
        self._latch = AsyncLatch()
        wanted = subscription([environment], globals=False)
        self._follower = AsyncFollower(caller, wanted, "", self._interruptions, self._latch, must_begin=False)
        self._last: dict[str, str] | None = None
        # A change is not forgotten when the read after it is interrupted.
        self._is_stale = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Values:
        """Return the present values, or wait for different ones. Ends after `close`."""
        try:
            while not self._latch.is_set:
                if not self._is_stale:
                    await self._await_change()
                values = await self._read_values()
                self._is_stale = False
                if values is not None and dict(values) != self._last:
                    self._last = dict(values)
                    return values
        except StrongroomError:
            await self.close()
            raise
        raise StopAsyncIteration

    async def close(self) -> None:
        """End the watch, from any task. A wait for a change ends at once, another call to the server after it."""
        await self._follower.close()

    async def _await_change(self) -> None:
        try:
            await self._follower.read()
        except NotFound as error:
            # If the environment is gone, this raises.
            await self._read_values()
            unknown = NotFound("This server has no feed of changes. Servers have it since release 0.3.")
            unknown.request = error.request
            raise unknown from error
        self._is_stale = True
        # Whatever else changes meanwhile is read in the same call.
        left_seconds = random.uniform(0.0, self._jitter_seconds)  # noqa: S311 - spreads load, guards nothing.
        await self._follower.gather(left_seconds)

    async def _read_values(self) -> Values | None:
        """Return the values of now, or None after `close`."""
        while not self._latch.is_set:
            try:
                values = await self._fetch()
            except NotFound as error:
                if self._last is not None:
                    error.args = (f"{self._environment} was deleted or renamed, or you have no right to it any more.",)
                raise
            except StrongroomError as error:
                if self._last is None or not is_temporary(error):
                    raise
                self._interruptions.failed(error)
                await self._latch.wait(self._backoff.next_seconds(error.retry_after_seconds))
            else:
                self._backoff.reset()
                self._interruptions.ended()
                return values
        return None


class AsyncChanges:
    """The changes that the feed tells of a subscription. An asynchronous iterator and a context manager.

    Once it has begun, it connects again by itself for as long as the trouble is temporary. A refusal of the vault is
    raised.
    """

    def __init__(
        self, caller: AsyncCaller, wanted: Subscription, after: str, on_interruption: OnInterruption | None
    ) -> None:
        self._latch = AsyncLatch()
        interruptions = Interruptions(on_interruption)
        self._follower = AsyncFollower(caller, wanted, after, interruptions, self._latch, must_begin=True)
        self._is_begun = bool(after)
        self._found: list[FeedChange] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> FeedChange:
        """Return the next change, or wait for it. Ends after `close`."""
        while not self._latch.is_set:
            while self._found:
                change = self._found.pop(0)
                is_first, self._is_begun = not self._is_begun, True
                # Nothing was missed before the beginning.
                if not (is_first and change.type == "reset"):
                    return change
            self._found = await self._read()
        raise StopAsyncIteration

    async def begin(self) -> None:
        """Connect, and wait until the feed has begun: all that changes after this call is told.

        Without it, the feed begins when the first change is asked for. After a cursor, nothing is missed either way,
        and this does nothing.
        """
        if not self._is_begun and not self._found:
            self._found = await self._read()

    async def close(self) -> None:
        """End the iteration, from any task."""
        await self._follower.close()

    async def _read(self) -> list[FeedChange]:
        try:
            return await self._follower.read()
        except StrongroomError:
            await self.close()
            raise
