"""Redis has short-lived copies of sessions. It is only a cache: the database has the truth.

Nothing here waits longer than a quarter of a second. After a failure Redis is not used for two seconds, so a dead one
costs almost nothing. Only tombstones are always tried.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

CACHE_SECONDS = 5
"""How long a copy is used. A session that is revoked while Redis hangs, is full or is cut off lives this long."""

TOMBSTONE_SECONDS = 120
"""How long a tombstone lasts: longer than a request may take (15 s for its body, 60 s for its work) plus the life of a
late fill.
"""

_TIMEOUT_SECONDS = 0.25
_REST_SECONDS = 2.0
_TOMBSTONE = b"revoked"


class SessionCache(Protocol):
    """A store for sealed copies of sessions. No method raises: a failure counts as a miss."""

    @property
    def rests(self) -> bool:
        """Whether the cache failed recently and is not used for a while."""

    def get(self, key: str) -> bytes | None:
        """Return the sealed copy under `key`, a tombstone (which cannot be opened), or None."""

    def fill(self, key: str, blob: bytes) -> None:
        """Store a sealed copy, unless there is a copy or a tombstone."""

    def bury(self, keys: Sequence[str]) -> None:
        """Put a tombstone over each of the copies."""

    def close(self) -> None:
        """Close all connections."""


class NoCache:
    """The default: every session is read from the database."""

    rests = False

    def get(self, key: str) -> bytes | None:
        return None

    def fill(self, key: str, blob: bytes) -> None:
        """Do nothing."""

    def bury(self, keys: Sequence[str]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class RedisCache:
    """Sealed copies in Redis for five seconds. Write access to Redis is not enough to make a session or to keep one
    alive.
    """

    def __init__(self, url: str) -> None:
        # Importing redis takes 38 ms, and the default does not need it.
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._errors = (redis.RedisError, OSError)
        # redis-py's default retries wait for seconds on a refused port.
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
        )
        self._rests_until = 0.0

    @property
    def rests(self) -> bool:
        """Whether Redis failed recently."""
        return time.monotonic() < self._rests_until

    def get(self, key: str) -> bytes | None:
        """Return the sealed copy under `key`, a tombstone (which cannot be opened), or None."""
        if time.monotonic() < self._rests_until:
            return None
        try:
            return self._redis.get(key)  # type: ignore[return-value] # The stubs allow for the async client too.
        except self._errors as error:
            self._fail(error)
            return None

    def fill(self, key: str, blob: bytes) -> None:
        """Store a sealed copy, unless there is a copy or a tombstone."""
        if time.monotonic() < self._rests_until:
            return
        try:
            self._redis.set(key, blob, ex=CACHE_SECONDS, nx=True)
        except self._errors as error:
            self._fail(error)

    def bury(self, keys: Sequence[str]) -> None:
        """Put a tombstone over each of the copies. This is tried even after a failure, because Redis may have old
        copies.
        """
        if not keys:
            return
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.set(key, _TOMBSTONE, ex=TOMBSTONE_SECONDS)
                pipeline.execute()
        except self._errors as error:
            self._fail(error)

    def close(self) -> None:
        """Close all connections."""
        self._redis.close()

    def _fail(self, error: Exception) -> None:
        self._rests_until = time.monotonic() + _REST_SECONDS
        log.warning("redis_unavailable", error=type(error).__name__)
