"""What every call that stays open does: takes a seat, follows, ends in time, and is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

import structlog

from vault.asgi import DRAIN, ClientGone, LiveCall, Receive
from vault.auth import Method
from vault.errors import StrongroomError
from vault.model.principal import Principal
from vault.observe import metrics
from vault.services import Services
from vault.services.sync.feed import Subscription
from vault.services.sync.judging import Follower
from vault.sync.endings import CLIENT_GONE, FAILED, RESTARTING
from vault.sync.entrance import Admitted, Entrance, refusal_of
from vault.sync.following import Following
from vault.sync.hub import Hub
from vault.sync.limits import Seats
from vault.sync.listener import Listener
from vault.sync.messages import Notice, Subscribe

log = structlog.get_logger(__name__)

T = TypeVar("T")

_END_SECONDS = 1.0
"""How long the last message may take. A client that does not read it is cut off."""


class Calls:
    """What all calls of this worker share."""

    def __init__(self, services: Services, hub: Hub, seats: Seats, wake: Callable[[], None]) -> None:
        """`wake` makes the hub look at once."""
        self.services = services
        self.entrance = Entrance(services)
        self.seats = seats
        self._hub = hub
        self._wake = wake

    def cursor(self, subscription: Subscription, seq: int, at_us: int | None = None) -> str:
        """Return the sealed number of a change. `at_us` is its time, if there are changes after it."""
        return self.services.sync.feed.cursor(subscription.user_id, subscription.epoch, seq, at_us)

    def join(self, following: Following, notice: Notice | None) -> None:
        """Begin to follow. The hub reads the first page at once. `notice` is told before it."""
        listener = following.listener
        listener.listen_to(following, following.seq, lambda: self._resume(following), notice)
        self._hub.join(following)
        self._wake()

    def leave(self, following: Following | None) -> None:
        """Follow no more."""
        if following is not None:
            self._hub.leave(following)

    def _resume(self, following: Following) -> None:
        self._hub.resume(following)
        self._wake()


class OpenCall:
    """One call. Use `counted` around all of it, and `open` around the part in which it follows."""

    def __init__(self, calls: Calls, call: LiveCall, kind: str) -> None:
        self.calls = calls
        self.call = call
        self.listener = Listener()
        self._kind = kind
        self._following: Following | None = None
        self._seat = calls.seats.seat()

    async def run(self, job: Callable[[], T]) -> T:
        """Run a job in a pool thread. Raises `Refusal` for every error of ours."""
        try:
            return await self.call.run(job)
        except StrongroomError as error:
            raise refusal_of(error) from None

    def admit(self, methods: tuple[Method, ...]) -> Admitted:
        """Check the credential and take the seat. For a pool thread."""
        return self.calls.entrance.admit(self.call, methods, self._seat)

    def subscribe(self, principal: Principal, wish: Subscribe) -> Subscription:
        """Check the references and the cursor. For a pool thread."""
        return self.calls.entrance.subscribe(self.call, principal, wish)

    def follow(
        self, follower: Follower, subscription: Subscription, seq: int | None = None, notice: Notice | None = None
    ) -> None:
        """Follow this instead of what was followed before, from its beginning or from `seq`. `notice` is told first."""
        self.calls.leave(self._following)
        self._following = Following(self.listener, follower, subscription, subscription.seq if seq is None else seq)
        self.calls.join(self._following, notice)

    def first_cursor(self, wish: Subscribe, subscription: Subscription) -> str:
        """Return the cursor at which a subscription begins."""
        # A client's own cursor must not become younger: the changes after it are deleted at their time.
        return wish.after or self.calls.cursor(subscription, subscription.seq)

    def cursor(self, seq: int) -> str:
        """Return the sealed number of a change of what is followed."""
        assert self._following is not None
        return self.calls.cursor(self._following.subscription, seq)

    @asynccontextmanager
    async def counted(self) -> AsyncIterator[None]:
        """At the end, give the seat back, and count how the call has ended."""
        try:
            yield
        finally:
            self.calls.leave(self._following)
            self._seat.leave()
            ending = self.listener.ending
            if ending is not None:
                self.call.ending = ending.code
                metrics().streams_ended.labels(self._kind, ending.code).inc()

    @asynccontextmanager
    async def open(self, watch: Callable[[], Coroutine[object, object, None]]) -> AsyncIterator[None]:
        """Count this call as a follower while the block runs, with `watch` as its second task.

        After the end of the stream the block has one second left. Then it is left where it is.
        """
        loop = asyncio.get_running_loop()
        watcher = loop.create_task(self._guarded(watch))
        followers = metrics().followers.labels(self._kind)
        followers.inc()
        try:
            async with asyncio.timeout(None) as limit:
                self.listener.on_end = lambda: limit.reschedule(loop.time() + _END_SECONDS)
                yield
        except TimeoutError:
            # The door cuts off an answer that is not complete.
            pass
        finally:
            self.listener.on_end = None
            self.listener.end(CLIENT_GONE)
            followers.dec()
            watcher.cancel()

    async def _guarded(self, watch: Callable[[], Coroutine[object, object, None]]) -> None:
        """Run the second task. If it fails, the stream ends, and the log says why."""
        try:
            await watch()
        except ClientGone:
            self.listener.end(CLIENT_GONE)
        except Exception as error:
            log.exception("stream_failed", error=type(error).__name__, request_id=self.call.request_id)
            self.listener.end(FAILED)


async def watch_http(receive: Receive, listener: Listener) -> None:
    """End the stream when the client leaves or the server restarts. For calls over HTTP."""
    while True:
        message = await receive()
        if message["type"] == DRAIN:
            listener.end(replace(RESTARTING, back_in_seconds=float(message["seconds"])))
        else:
            listener.end(CLIENT_GONE)
            return
