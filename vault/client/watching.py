# Made from aio/watching.py by `make reference`. Change that file.

"""What a program sees of the feed: the different values of an environment, or the changes themselves."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import TracebackType
from typing import Self

from vault.client.caller import Caller
from vault.client.feed import FeedChange, Subscription, subscription
from vault.client.following import Follower
from vault.client.latch import Latch
from vault.client.pace import Backoff, Interruptions, OnInterruption, is_temporary
from vault.client.values import Values
from vault.errors import NotFound, StrongroomError

JITTER_SECONDS = 1.0
"""A thousand followers of one environment learn of a change at the same moment."""


class Watch:
    """The values of an environment now, then each different state. An iterator and a context manager.

    States are compared by their values alone. One that was replaced before it was read is left out. Between two of
    them, the watch connects again by itself for as long as the trouble is temporary. A refusal of the vault is raised:
    `NotAuthenticated`, `Forbidden`, and `NotFound` also when the environment is deleted or renamed.
    """

    def __init__(
        self,
        caller: Caller,
        environment: str,
        fetch: Callable[[], Values],
        jitter_seconds: float,
        on_interruption: OnInterruption | None,
    ) -> None:
        self._environment = environment
        self._fetch = fetch
        self._jitter_seconds = jitter_seconds
        self._interruptions = Interruptions(on_interruption)
        self._backoff = Backoff()
        self._latch = Latch()
        wanted = subscription([environment], globals=False)
        self._follower = Follower(caller, wanted, "", self._interruptions, self._latch, must_begin=False)
        self._last: dict[str, str] | None = None
        # A change is not forgotten when the read after it is interrupted.
        self._is_stale = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Values:
        """Return the present values, or wait for different ones. Ends after `close`."""
        try:
            while not self._latch.is_set:
                if not self._is_stale:
                    self._await_change()
                values = self._read_values()
                self._is_stale = False
                if values is not None and dict(values) != self._last:
                    self._last = dict(values)
                    return values
        except StrongroomError:
            self.close()
            raise
        raise StopIteration

    def close(self) -> None:
        """End the watch, from any thread. A wait for a change ends at once, another call to the server after it."""
        self._follower.close()

    def _await_change(self) -> None:
        try:
            self._follower.read()
        except NotFound as error:
            # If the environment is gone, this raises.
            self._read_values()
            unknown = NotFound("This server has no feed of changes. Servers have it since release 0.3.")
            unknown.request = error.request
            raise unknown from error
        self._is_stale = True
        # Whatever else changes meanwhile is read in the same call.
        left_seconds = random.uniform(0.0, self._jitter_seconds)  # noqa: S311 - spreads load, guards nothing.
        self._follower.gather(left_seconds)

    def _read_values(self) -> Values | None:
        """Return the values of now, or None after `close`."""
        while not self._latch.is_set:
            try:
                values = self._fetch()
            except NotFound as error:
                if self._last is not None:
                    error.args = (f"{self._environment} was deleted or renamed, or you have no right to it any more.",)
                raise
            except StrongroomError as error:
                if self._last is None or not is_temporary(error):
                    raise
                self._interruptions.failed(error)
                self._latch.wait(self._backoff.next_seconds(error.retry_after_seconds))
            else:
                self._backoff.reset()
                self._interruptions.ended()
                return values
        return None


class Changes:
    """The changes that the feed tells of a subscription. An iterator and a context manager.

    Once it has begun, it connects again by itself for as long as the trouble is temporary. A refusal of the vault is
    raised.
    """

    def __init__(
        self, caller: Caller, wanted: Subscription, after: str, on_interruption: OnInterruption | None
    ) -> None:
        self._latch = Latch()
        interruptions = Interruptions(on_interruption)
        self._follower = Follower(caller, wanted, after, interruptions, self._latch, must_begin=True)
        self._is_begun = bool(after)
        self._found: list[FeedChange] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> FeedChange:
        """Return the next change, or wait for it. Ends after `close`."""
        while not self._latch.is_set:
            while self._found:
                change = self._found.pop(0)
                is_first, self._is_begun = not self._is_begun, True
                # Nothing was missed before the beginning.
                if not (is_first and change.type == "reset"):
                    return change
            self._found = self._read()
        raise StopIteration

    def begin(self) -> None:
        """Connect, and wait until the feed has begun: all that changes after this call is told.

        Without it, the feed begins when the first change is asked for. After a cursor, nothing is missed either way,
        and this does nothing.
        """
        if not self._is_begun and not self._found:
            self._found = self._read()

    def close(self) -> None:
        """End the iteration, from any thread."""
        self._follower.close()

    def _read(self) -> list[FeedChange]:
        try:
            return self._follower.read()
        except StrongroomError:
            self.close()
            raise
