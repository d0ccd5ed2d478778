"""The thread that runs the jobs of one worker.

| job    | every     | who runs it                                             |
|--------|-----------|---------------------------------------------------------|
| watch  | 0.5 s     | each worker: is the vault locked, what is active?       |
| beat   | 5 s       | each worker: I live, and I know this master key version |
| touch  | 10 s      | each worker: when its sessions and tokens were last used |
| purge  | 10 min    | one worker, under a lease                               |
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from vault.errors import StrongroomError
from vault.jobs.purge import purge
from vault.services import Services
from vault.services.clock import SECOND_US

log = structlog.get_logger(__name__)

WATCH_SECONDS = 0.5
BEAT_SECONDS = 5.0
TOUCH_SECONDS = 10.0
PURGE_SECONDS = 600.0
WORKER_LEASE_US = 20 * SECOND_US
PURGE_LEASE_US = 300 * SECOND_US


@dataclass(slots=True)
class _Job:
    name: str
    every_seconds: float
    run: Callable[[], None]
    due: float = 0.0


class Jobs:
    """Starts with the worker (after the fork) and stops with it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._worker_id = str(uuid.uuid4())
        self._ends = threading.Event()
        self._thread: threading.Thread | None = None
        self._jobs = [
            _Job("watch", WATCH_SECONDS, self._watch),
            _Job("beat", BEAT_SECONDS, self._beat),
            _Job("touch", TOUCH_SECONDS, services.touches.flush, due=time.monotonic() + TOUCH_SECONDS),
            _Job("purge", PURGE_SECONDS, self._purge, due=time.monotonic() + BEAT_SECONDS),
        ]

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._loop, name="jobs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, write what was gathered, and take this worker off the list."""
        self._ends.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        for last in (self._services.touches.flush, self._leave):
            _guarded("stop", last)

    def _loop(self) -> None:
        while not self._ends.wait(WATCH_SECONDS):
            for job in self._jobs:
                if time.monotonic() >= job.due:
                    job.due = time.monotonic() + job.every_seconds
                    _guarded(job.name, job.run)

    def _watch(self) -> None:
        with self._services.storage.read() as unit:
            self._services.instance.refresh(unit)

    def _beat(self) -> None:
        now, knows = self._services.clock(), self._services.instance.active_master.id
        with self._services.storage.write() as unit:
            unit.workers.beat(self._worker_id, socket.gethostname(), os.getpid(), knows, now, WORKER_LEASE_US)

    def _purge(self) -> None:
        with self._services.storage.write() as unit:
            if not unit.leases.take("purge", self._worker_id, self._services.clock(), PURGE_LEASE_US):
                return
        done = {kind: count for kind, count in purge(self._services).items() if count}
        if done:
            log.info("purged", **done)

    def _leave(self) -> None:
        with self._services.storage.write() as unit:
            unit.workers.leave(self._worker_id)


def _guarded(name: str, run: Callable[[], None]) -> None:
    """A job that fails is told of and tried again at its next turn; the thread goes on."""
    try:
        run()
    except StrongroomError as error:
        log.warning("job_failed", job=name, error=type(error).__name__)
    except Exception:
        log.exception("job_failed", job=name)
