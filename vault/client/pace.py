"""When a call or a follower of the feed tries again, by which way, and what it tells of an interruption."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from vault.errors import ServerError, StrongroomError, TooManyRequests, TransportError, Unavailable

ATTEMPTS = 4
RETRY_BUDGET_SECONDS = 15.0
"""The limit for all pauses of one call together. Beyond it, the calling program should decide."""

FIRST_PAUSE_SECONDS = 1.0
PAUSE_MAX_SECONDS = 60.0

CUTS_WITHIN_SECONDS = 30.0
"""Two streams that are cut within this time show that something on the way does not carry streams."""

POLLS_FOR_SECONDS = 600.0

OnInterruption = Callable[[StrongroomError | None], None]


def is_temporary(error: StrongroomError) -> bool:
    """Report whether a follower tries again after this error."""
    return isinstance(error, TransportError | TooManyRequests | Unavailable | ServerError)


class Pauses:
    """The pauses of one call: each longer than the last, with jitter, within one limit for all."""

    def __init__(self) -> None:
        self._tries = 1
        self._left_seconds = RETRY_BUDGET_SECONDS

    def next_or_raise(self, error: StrongroomError, retry_after: int | None = None) -> float:
        """Return the pause before the next try. Raise `error` if the call has no tries or no time left."""
        # Full jitter, so that a thousand services that lost one server do not retry at the same moment.
        pause_seconds = random.uniform(0.05, 0.2 * 2**self._tries)  # noqa: S311 - spreads load, guards nothing.
        if retry_after is not None:
            pause_seconds += retry_after
        if self._tries >= ATTEMPTS or pause_seconds > self._left_seconds:
            raise error
        self._tries += 1
        self._left_seconds -= pause_seconds
        return pause_seconds


class Backoff:
    """The pauses between attempts: up to 1 s, doubling up to 60 s, with full jitter."""

    def __init__(self) -> None:
        self.failures = 0

    def next_seconds(self, at_least: float = 0.0) -> float:
        """Return the next pause, at the end of what the server demands."""
        limit = min(FIRST_PAUSE_SECONDS * 2 ** min(self.failures, 10), PAUSE_MAX_SECONDS)
        self.failures += 1
        # Full jitter, so that a thousand followers that lost one server do not come back at the same moment.
        return at_least + random.uniform(0.0, limit)  # noqa: S311 - spreads load, guards nothing.

    def reset(self) -> None:
        """Begin again with the shortest pause."""
        self.failures = 0


class Course:
    """The way to follow: by a stream, or for ten minutes by long polls if streams do not get through."""

    def __init__(self, *, can_stream: bool) -> None:
        self._can_stream = can_stream
        self._polls_until = 0.0
        self._last_cut: float | None = None

    @property
    def is_stream(self) -> bool:
        """Whether the next attempt asks for a stream."""
        return self._can_stream and time.monotonic() >= self._polls_until

    def note_cut(self) -> None:
        """Note that a stream broke off."""
        now = time.monotonic()
        if self._last_cut is not None and now - self._last_cut <= CUTS_WITHIN_SECONDS:
            self.note_silence()
        self._last_cut = now

    def note_silence(self) -> None:
        """Note that a stream brings nothing: a proxy may keep it back."""
        self._polls_until = time.monotonic() + POLLS_FOR_SECONDS


class Interruptions:
    """Tells of an interruption once, when a second attempt in a row has failed, and once of its end."""

    def __init__(self, tell: OnInterruption | None) -> None:
        self._tell = tell
        self._failures = 0

    def failed(self, error: StrongroomError) -> None:
        """Count a failed attempt."""
        self._failures += 1
        if self._failures == 2 and self._tell is not None:
            self._tell(error)

    def ended(self) -> None:
        """Note that an attempt has succeeded."""
        was_told, self._failures = self._failures >= 2, 0
        if was_told and self._tell is not None:
            self._tell(None)
