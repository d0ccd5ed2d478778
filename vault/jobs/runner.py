"""The threads that run the jobs of one worker.

| job    | every     | who runs it                                                                |
|--------|-----------|----------------------------------------------------------------------------|
| watch  | 0.5 s     | each worker, in a separate thread that nothing blocks: whether the vault is locked |
| learn  | 0.5 s     | each worker: reads changes to keys and tries whether it can use them       |
| beat   | 5 s       | each worker, and at once after it learns: its heartbeat and what it knows about keys |
| touch  | 10 s      | each worker: stores when its sessions and tokens were last used            |
| purge  | 10 min    | one worker, under a lease: deletes for good what has expired               |
| rewrap | 1 min     | one worker, under a lease: rewraps user keys after a rotation              |
| age    | 10 min    | one worker, under a lease: rotates keys by age, if that is set             |
| formats | 5 s      | one worker, under a lease, if a row format is not open yet: opens it       |
| sign   | 1 min     | one worker, under a lease, after an upgrade: signs rows of older formats   |
| prune  | 1 day     | one worker, under a lease: deletes events that are past their time         |
| drain  | 1 s       | each worker: moves reads from the spool into the database                  |
| sequence | 1 s     | one worker, under a lease: gives events their places in the audit's tree   |
| ready  | 5 s       | each worker: checks whether it can read, record and write                  |
| tell   | 1 s       | each worker: sets the metrics from what `ready` has found                  |
| expire | 10 s      | one worker, under a lease: tells of revisions whose deletion time has passed |
| forward | 1 s      | one worker, under a lease: sends events to the target in the settings      |
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from vault.errors import DatabaseUnavailable, NewerRowFormat, StrongroomError, VaultLocked
from vault.jobs.drain import drain
from vault.jobs.elapsed import explained
from vault.jobs.expire import expire
from vault.jobs.forward import forward
from vault.jobs.prune import prune
from vault.jobs.purge import purge
from vault.jobs.rewrap import rewrap
from vault.jobs.rotate_by_age import rotate_by_age
from vault.jobs.sequence import sequence
from vault.jobs.upgrade import open_formats, sign_again
from vault.model.clock import DAY_SECONDS, SECOND_US
from vault.services import Services

log = structlog.get_logger(__name__)

WATCH_SECONDS = 0.5
BEAT_SECONDS = 5.0
TOUCH_SECONDS = 10.0
PURGE_SECONDS = 600.0
REWRAP_SECONDS = 60.0
AGE_SECONDS = 600.0
FORMATS_SECONDS = 5.0
PRUNE_SECONDS = float(DAY_SECONDS)
AUDIT_SECONDS = 1.0
EXPIRE_SECONDS = 10.0
EXPIRE_SHARE = 50
"""The job rests this many times as long as it took. With 100,000 environments on SQLite it takes 0.7 seconds."""
WORKER_LEASE_US = 20 * SECOND_US
CHORE_LEASE_US = 300 * SECOND_US


@dataclass(slots=True)
class _Job:
    name: str
    every_seconds: float
    run: Callable[[], None]
    due: float = 0.0


def _end_this_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


class Jobs:
    """Starts with the worker, after the fork, and stops with it."""

    def __init__(self, services: Services, end_worker: Callable[[], None] = _end_this_process) -> None:
        """`end_worker` stops this process gracefully. Its parent then starts a new one."""
        self._services = services
        self._end_worker = end_worker
        self._worker_id = str(uuid.uuid4())
        self._told = (0, 0)
        self._expires_again = 0.0
        self._ends = threading.Event()
        now = time.monotonic()
        # Use separate threads: a provider that hangs must not delay the check of the lock, and a long job must not
        # delay the renewal of its lease.
        self._threads = [
            self._thread("watch", _Job("watch", WATCH_SECONDS, self._watch)),
            self._thread("ready", _Job("ready", WATCH_SECONDS, services.readiness.turn)),
            self._thread("tell", _Job("tell", AUDIT_SECONDS, services.readiness.publish)),
            self._thread("learn", _Job("learn", WATCH_SECONDS, self._learn), _Job("beat", BEAT_SECONDS, self._beat)),
            self._thread(
                "chores",
                _Job("touch", TOUCH_SECONDS, services.touches.flush, due=now + TOUCH_SECONDS),
                _Job("purge", PURGE_SECONDS, self._chore("purge", explained(purge)), due=now + BEAT_SECONDS),
                _Job("rewrap", REWRAP_SECONDS, self._chore("rewrap", rewrap), due=now + BEAT_SECONDS),
                _Job("formats", FORMATS_SECONDS, self._formats, due=now + BEAT_SECONDS),
                _Job("sign", REWRAP_SECONDS, self._sign, due=now + BEAT_SECONDS),
                _Job("age", AGE_SECONDS, self._chore("age", explained(rotate_by_age)), due=now + BEAT_SECONDS),
                _Job("prune", PRUNE_SECONDS, self._chore("prune", explained(prune)), due=now + REWRAP_SECONDS),
            ),
            self._thread(
                "audit",
                _Job("drain", AUDIT_SECONDS, lambda: drain(services)),
                _Job("sequence", AUDIT_SECONDS, lambda: sequence(services, self._worker_id)),
            ),
            # In a thread of its own: a long purge must not delay what followers are told.
            self._thread("expire", _Job("expire", EXPIRE_SECONDS, self._expire)),
            self._thread("forward", _Job("forward", AUDIT_SECONDS, lambda: forward(services, self._worker_id))),
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the threads, write what is still in memory, and remove this worker from the list."""
        self._ends.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout=5)
        services = self._services
        for last in (services.touches.flush, services.audit.reads.close, services.audit.forwarder.close, self._leave):
            _guarded("stop", last)

    def _thread(self, name: str, *jobs: _Job) -> threading.Thread:
        return threading.Thread(target=self._loop, args=(jobs,), name=name, daemon=True)

    def _loop(self, jobs: tuple[_Job, ...]) -> None:
        while not self._ends.wait(WATCH_SECONDS):
            for job in jobs:
                if time.monotonic() >= job.due:
                    job.due = time.monotonic() + job.every_seconds
                    _guarded(job.name, job.run)

    def _watch(self) -> None:
        try:
            with self._services.storage.read() as unit:
                self._services.instance.heed_lock(unit)
        except DatabaseUnavailable as error:
            self._services.readiness.lost(error)
            raise

    def _learn(self) -> None:
        instance = self._services.instance
        try:
            with self._services.storage.read() as unit:
                instance.refresh(unit)
        except NewerRowFormat as error:
            log.warning("worker_ends", reason=error.message)
            self._end_worker()
            raise
        if instance.locked:
            return
        try:
            instance.prove()
        finally:
            if instance.knows != self._told:
                # Report this at once, because the rotation of a key waits for it.
                self._beat()

    def _beat(self) -> None:
        now, knows = self._services.clock(), self._services.instance.knows
        with self._services.storage.write() as unit:
            unit.workers.beat(self._worker_id, socket.gethostname(), os.getpid(), *knows, now, WORKER_LEASE_US)
        self._told = knows

    def _expire(self) -> None:
        started = time.monotonic()
        if started < self._expires_again:
            return
        expire(self._services, self._worker_id)
        self._expires_again = started + EXPIRE_SHARE * (time.monotonic() - started)

    def _formats(self) -> None:
        if self._services.keys.upgrading.has_closed():
            self._chore("formats", open_formats)()

    def _sign(self) -> None:
        if self._services.keys.upgrading.has_formats():
            self._chore("sign", sign_again)()

    def _chore(self, name: str, run: Callable[[Services], dict[str, int]]) -> Callable[[], None]:
        def run_under_lease() -> None:
            with self._services.storage.write() as unit:
                if not unit.leases.take(name, self._worker_id, self._services.clock(), CHORE_LEASE_US):
                    return
            done = {kind: count for kind, count in run(self._services).items() if count}
            if done:
                log.info("done", job=name, **done)

        return run_under_lease

    def _leave(self) -> None:
        has_ended = not any(thread.is_alive() for thread in self._threads)
        with self._services.storage.write() as unit:
            unit.workers.leave(self._worker_id)
            # A job that is still running keeps its lease until the lease expires.
            if has_ended:
                unit.leases.give_back_all(self._worker_id)


def _guarded(name: str, run: Callable[[], None]) -> None:
    """Run a job. A failure is logged, and the job runs again at its next turn; the thread continues."""
    try:
        run()
    except VaultLocked:
        # The vault is locked on purpose, so this is no failure.
        return
    except StrongroomError as error:
        log.warning("job_failed", job=name, error=type(error).__name__)
    except Exception:
        log.exception("job_failed", job=name)
