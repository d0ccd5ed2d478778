"""Whether this worker can read, record and write now. A job checks every few seconds, and answers use its last result.

So a stranger's request costs no database call. If a check hangs, its last result becomes too old, and the worker counts
as not ready. The lock is read for each answer, because it is in memory.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from vault.errors import StrongroomError, Unavailable
from vault.observe import metrics
from vault.services.audit.forward import Forwarder
from vault.services.audit.reads import ReadLog
from vault.services.own.instance import Instance
from vault.services.sync.pulse import Pulse
from vault.storage import SessionCache, Storage
from vault.storage.database.probe import (
    FULL,
    HELD,
    READ_ONLY,
    SCHEMA,
    UNREACHABLE,
    StatementRefused,
    cause_of,
    revision,
    schema_faults,
    write_something,
)

log = structlog.get_logger(__name__)

EVERY_SECONDS = 5.0
_AGAIN_SECONDS = 1.0
"""The pause between two checks while something is wrong. It is short, so that a host that works again is used soon."""
OVERDUE_SECONDS = 12.0
"""An older result is not used: the check hangs, perhaps behind a locked row."""
_SCHEMA_SECONDS = 600.0
_PROVIDER_SECONDS = 30.0
_NO_SESSION = "readiness"

LOCKED, KEYS, SPOOL, OVERDUE, FAILED = "locked", "keys_unavailable", "spool_full", "check_overdue", "check_failed"
REDIS_AWAY, KEYS_AWAY, FORWARD = "redis_away", "key_provider_away", "audit_forward_stuck"
FEED = "feed_stuck"

SENTENCES = {
    LOCKED: "The vault is locked.",
    KEYS: "The master key's provider does not answer, and the cached keys have expired.",
    UNREACHABLE: "The database does not answer.",
    READ_ONLY: "The database takes no writes.",
    HELD: "A write to the database does not finish, because another process holds a lock.",
    FULL: "The disk of the database is full.",
    SCHEMA: "The database does not have the schema of this release. Run `strongroom db status`.",
    SPOOL: "Reads cannot be recorded, because the spool, its folder set-aside or the disk is full, or takes no writes.",
    OVERDUE: "The last check did not finish in time.",
    FAILED: "The last check failed. The log says why.",
    REDIS_AWAY: "Redis does not answer. Sessions are read from the database.",
    KEYS_AWAY: "The master key's provider does not answer. Cached keys are used until they expire.",
    FORWARD: "Audit events are not forwarded. The log says why. No event is lost.",
    FEED: "Clients that follow changes get none at the moment. They get all of them when they connect again.",
}
"""Every reason, as a sentence that reveals nothing to strangers."""

NOT_READY = (LOCKED, KEYS, UNREACHABLE, READ_ONLY, HELD, FULL, SCHEMA, SPOOL, OVERDUE, FAILED)
DEGRADED = (REDIS_AWAY, KEYS_AWAY, FORWARD, FEED)


@dataclass(frozen=True, slots=True)
class Health:
    """Why this worker is not ready, and what is limited."""

    reasons: tuple[str, ...]
    degraded: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether this worker can serve."""
        return not self.reasons


class Readiness:
    """Runs the checks and keeps their result. The job calls `turn`; answers use `now`."""

    def __init__(
        self,
        storage: Storage,
        instance: Instance,
        reads: ReadLog,
        cache: SessionCache,
        forwarder: Forwarder,
        key_cache_seconds: int,
        pulse: Pulse,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key_cache_seconds = key_cache_seconds
        self._storage = storage
        self._instance = instance
        self._reads = reads
        self._cache = cache
        self._forwarder = forwarder
        self._pulse = pulse
        self._clock = clock
        self._holder = str(uuid.uuid4())
        self._checking = threading.Lock()
        self._seen: tuple[float, tuple[str, ...]] | None = None
        self._schema: tuple[str, float] | None = None
        self._schema_faults: list[str] = []
        self._redis_away = False
        self._provider_asked = float("-inf")
        self._provider_away_since: float | None = None

    def now(self) -> Health:
        """Return the last result. The caller runs a check only if the job did not run one in time."""
        if self._is_overdue():
            self.check()
        _, found = self._seen or (0.0, ())
        overdue = (OVERDUE,) if self._is_overdue() else ()
        return Health((*self._keys(), *found, *overdue), self._degraded())

    def _is_overdue(self) -> bool:
        return self._seen is None or self._clock() - self._seen[0] > OVERDUE_SECONDS

    def turn(self) -> None:
        """Check if it is time. The job calls this twice a second."""
        seen = self._seen
        if seen is None or self._clock() - seen[0] >= (_AGAIN_SECONDS if seen[1] else EVERY_SECONDS):
            self.check()

    def lost(self, error: Unavailable) -> None:
        """Note an error of the database from the job that watches the lock, without a check."""
        if not self._instance.is_flagged:
            self._seen = (self._clock(), (cause_of(error),))

    def check(self) -> None:
        """Run the checks and keep the result. Raises nothing. Only one check runs at a time."""
        if not self._checking.acquire(blocking=False):
            return
        try:
            found = self._look()
        except Exception:
            log.exception("readiness_check_failed")
            found = (FAILED,)
        finally:
            self._checking.release()
        self._seen = (self._clock(), found)

    def publish(self) -> None:
        """Set the metrics from the last result."""
        health = self.now()
        for reason in NOT_READY:
            metrics().not_ready.labels(reason).set(reason in health.reasons)
        for reason in DEGRADED:
            metrics().degraded.labels(reason).set(reason in health.degraded)
        metrics().feed_silent.set(self._pulse.silent_seconds)

    # -- Checks --

    def _look(self) -> tuple[str, ...]:
        found = []
        if not self._instance.locked:
            # A locked vault has no keys to check rows with, and the reason is known.
            found += [reason for reason in (self._database(), self._spool()) if reason]
        self._ask_provider()
        # Ask Redis here, so that its state is known without any traffic.
        self._cache.get(_NO_SESSION)
        self._redis_away = self._cache.rests
        return tuple(found)

    def _database(self) -> str:
        try:
            if not self._has_schema():
                return SCHEMA
            write_something(self._storage, self._holder)
        except Unavailable as error:
            return "" if self._instance.locked else cause_of(error)
        except StatementRefused as error:
            log.error("readiness_schema", error=error.kind)  # noqa: TRY400 - the statement is ours.
            return SCHEMA
        return ""

    def _has_schema(self) -> bool:
        now, found = self._clock(), revision(self._storage)
        if self._schema is not None and self._schema[0] == found and now - self._schema[1] < _SCHEMA_SECONDS:
            return True
        faults = schema_faults(self._storage)
        if faults and faults != self._schema_faults:
            log.error("readiness_schema_differs", faults=faults)
        self._schema_faults = faults
        self._schema = None if faults else (found, now)
        return not faults

    def _spool(self) -> str:
        try:
            self._reads.make_room()
        except OSError as error:
            log.warning("audit_spool_has_no_room", error=error.strerror)
            return SPOOL
        return ""

    def _ask_provider(self) -> None:
        """Ask a remote key provider now and then, and more often while it does not answer."""
        now = self._clock()
        if self._instance.locked or (
            self._provider_away_since is None and now - self._provider_asked < _PROVIDER_SECONDS
        ):
            return
        self._provider_asked = now
        try:
            provider = self._instance.keyring.provider(self._instance.own_keys.active_master.provider)
            if not provider.capabilities().local:
                provider.probe()
        except StrongroomError:
            self._provider_away_since = self._provider_away_since or now
        else:
            self._provider_away_since = None

    def _keys(self) -> tuple[str, ...]:
        if self._instance.is_flagged:
            return (LOCKED,)
        if self._instance.locked or self._away_seconds() > self._key_cache_seconds:
            return (KEYS,)
        return ()

    def _degraded(self) -> tuple[str, ...]:
        away = 0 < self._away_seconds() <= self._key_cache_seconds
        so = {
            REDIS_AWAY: self._redis_away,
            KEYS_AWAY: away,
            FORWARD: self._forwarder.trouble() is not None,
            FEED: self._pulse.is_late,
        }
        return tuple(reason for reason, is_so in so.items() if is_so)

    def _away_seconds(self) -> float:
        since = self._provider_away_since
        return 0.0 if since is None else max(1e-3, self._clock() - since)
