"""Redis has short-lived copies of sessions. It is only a cache: the database has the truth.

Nothing here waits longer than a quarter of a second for a connection or for an answer, even if the answer comes in
small pieces, or reads more than 64 KiB of an answer. After a failure Redis is not used for two seconds, so a dead one
costs almost nothing. Only tombstones are always tried. An answer that is not in Redis's protocol, or is not bytes, is a
failure too: somebody else may answer in place of Redis.
"""

from __future__ import annotations

import socket
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
_ANSWER_MOST_BYTES = 64 * 1024
"""The longest answer: far longer than a copy of a session, and than the answers to a person's tombstones."""
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


class _Prompt:
    """A socket whose answers must be complete in time, and short.

    The timeout of a plain socket begins again with each byte. A server that sends one now and then would never be given
    up.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._ends = time.monotonic() + _TIMEOUT_SECONDS
        self._bytes_left = _ANSWER_MOST_BYTES

    def sendall(self, data: bytes) -> None:
        """Send a command. Its answer must be complete a quarter of a second later."""
        self._socket.settimeout(_TIMEOUT_SECONDS)
        self._socket.sendall(data)
        self._ends = time.monotonic() + _TIMEOUT_SECONDS
        self._bytes_left = _ANSWER_MOST_BYTES

    def recv(self, size: int) -> bytes:
        """Receive a part of the answer. Raises `TimeoutError`, and `OSError` for an answer that is too long."""
        self._hurry()
        data = self._socket.recv(size)
        self._count(len(data))
        return data

    def recv_into(self, buffer: bytearray) -> int:
        """Do the same, for hiredis."""
        self._hurry()
        size = self._socket.recv_into(buffer)
        self._count(size)
        return size

    def _count(self, size: int) -> None:
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise OSError("The answer is too long.")

    def _hurry(self) -> None:
        # A timeout of 0 only looks at what is there.
        if self._socket.gettimeout() == 0:
            return
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)

    def __getattr__(self, name: str) -> object:
        return getattr(self._socket, name)


class _PromptConnection:
    """Goes before a class of connections of redis-py."""

    def _connect(self) -> _Prompt:
        return _Prompt(super()._connect())  # type: ignore[misc] # The next class has it.


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
        from redis.maint_notifications import MaintNotificationsConfig
        from redis.retry import Retry

        # redis-py's default retries wait for seconds on a refused port.
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
            # With them, a message of the server moves the client, with its password, to any other host.
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        pool = self._redis.connection_pool
        pool.connection_class = type("Connection", (_PromptConnection, pool.connection_class), {})
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
            found = self._redis.get(key)
        except Exception as error:
            self._fail(error)
            return None
        if found is None or isinstance(found, bytes):
            return found
        self._fail(TypeError())
        return None

    def fill(self, key: str, blob: bytes) -> None:
        """Store a sealed copy, unless there is a copy or a tombstone."""
        if time.monotonic() < self._rests_until:
            return
        try:
            self._redis.set(key, blob, ex=CACHE_SECONDS, nx=True)
        except Exception as error:
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
        except Exception as error:
            self._fail(error)

    def close(self) -> None:
        """Close all connections."""
        self._redis.close()

    def _fail(self, error: Exception) -> None:
        # redis-py's parser raises many errors: a number of 5,000 digits is a ValueError, deep lists a RecursionError.
        self._rests_until = time.monotonic() + _REST_SECONDS
        log.warning("redis_unavailable", error=type(error).__name__)
