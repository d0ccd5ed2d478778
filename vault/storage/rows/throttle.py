"""Counters of failed logins and other guesses."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select, update

from vault.model.clock import CLOCKS_DIFFER_US
from vault.storage.database.upsert import upsert
from vault.storage.rows.plain import Plain
from vault.storage.rows.trim import beyond
from vault.storage.tables import throttle

_TRIM_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class FailureCounter:
    """A counter of failures, and when they happened."""

    bucket: bytes
    failures: int
    window_us: int
    last_us: int
    ends_us: int


class Throttle(Plain):
    """Failure counters. A bucket is a keyed digest of what is counted."""

    def read(self, buckets: list[bytes]) -> dict[bytes, FailureCounter]:
        """Return the counters of these buckets that exist."""
        statement = select(throttle).where(throttle.c.bucket.in_(buckets)).order_by(throttle.c.bucket)
        # Lock them until this attempt is counted. Otherwise many guesses at once would all see the same count.
        found = self._connection.execute(statement.with_for_update())
        return {row.bucket: FailureCounter(*row) for row in found}

    def fail(self, bucket: bytes, now_us: int, window_us: int) -> None:
        """Count one failure. A counter whose window has passed starts again."""
        times = {"last_us": now_us, "ends_us": now_us + window_us}
        statement = upsert(self._connection, throttle).values(bucket=bucket, failures=1, window_us=now_us, **times)
        # A counter that starts in the future was made while a clock was ahead.
        fresh = throttle.c.window_us.between(now_us - window_us + 1, now_us + CLOCKS_DIFFER_US)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["bucket"],
                set_={"failures": throttle.c.failures + 1, **times},
                where=fresh,
            )
        )
        stale = (throttle.c.bucket == bucket) & ~fresh
        self._connection.execute(update(throttle).where(stale).values(failures=1, window_us=now_us, **times))

    def trim(self, most: int) -> None:
        """Keep the `most` counters that end last. Delete the others."""
        newest_first = select(throttle.c.bucket).order_by(throttle.c.ends_us.desc(), throttle.c.bucket)
        past = beyond(most, newest_first, at_once=_TRIM_AT_ONCE)
        self._connection.execute(delete(throttle).where(throttle.c.bucket.in_(past)))

    def take_back(self, bucket: bytes) -> None:
        """Take one failure back after a success."""
        counted = (throttle.c.bucket == bucket) & (throttle.c.failures > 0)
        self._connection.execute(update(throttle).where(counted).values(failures=throttle.c.failures - 1))

    def clear(self, bucket: bytes) -> None:
        """Delete a counter after a success."""
        self._connection.execute(delete(throttle).where(throttle.c.bucket == bucket))

    def purge(self, now_us: int) -> int:
        """Delete counters that have ended, and return how many."""
        return self._connection.execute(delete(throttle).where(throttle.c.ends_us < now_us)).rowcount
