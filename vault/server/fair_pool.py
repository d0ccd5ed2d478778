"""A thread pool that serves callers in turn, so that no caller waits for all calls of another."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable

import structlog

Job = Callable[[], None]

log = structlog.get_logger(__name__)


class FairPool:
    """Runs at most `threads` jobs at once, and at most `per_caller` of one caller.

    Each caller has a queue. Threads take one job from each caller's queue in turn.
    """

    def __init__(self, threads: int, *, per_caller: int, name: str) -> None:
        self._most = threads
        self._per_caller = per_caller
        self._name = name
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._stopped = False
        self._changed = threading.Condition(threading.Lock())
        self._waiting: dict[str, collections.deque[Job]] = {}
        self._running: dict[str, int] = {}
        # Callers with a job that may start now, each once, in turn.
        self._ready: collections.deque[str] = collections.deque()

    def submit(self, caller: str, job: Job) -> None:
        """Queue `job` for its caller's turn. Raises `RuntimeError` after `stop`."""
        with self._changed:
            if self._stopped:
                raise RuntimeError("This pool has been stopped.")
            queue = self._waiting.get(caller)
            if queue is not None:
                queue.append(job)
                return
            self._waiting[caller] = collections.deque((job,))
            if self._running.get(caller, 0) < self._per_caller:
                self._make_ready(caller)

    def withdraw(self, caller: str, job: Job) -> bool:
        """Remove a waiting job. Returns False if it has started."""
        with self._changed:
            queue = self._waiting.get(caller)
            if queue is None or job not in queue:
                return False
            queue.remove(job)
            if not queue:
                del self._waiting[caller]
                if caller in self._ready:
                    self._ready.remove(caller)
            return True

    def stop(self) -> None:
        """Start no more jobs. Running jobs may finish."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._ready.clear()
            self._changed.notify_all()

    def _make_ready(self, caller: str) -> None:
        self._ready.append(caller)
        if self._idle:
            self._changed.notify()
        elif len(self._threads) < self._most:
            name = f"{self._name}_{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._serve, name=name, daemon=True))
            self._threads[-1].start()

    def _serve(self) -> None:
        caller = ""
        while True:
            with self._changed:
                if caller:
                    self._end(caller)
                self._idle += 1
                while not self._ready and not self._stopped:
                    self._changed.wait()
                self._idle -= 1
                if self._stopped:
                    return
                caller, job = self._next()
            try:
                job()
            except BaseException:
                log.exception("job_failed")
            # Otherwise an idle thread would keep the last request in memory.
            del job

    def _next(self) -> tuple[str, Job]:
        caller = self._ready.popleft()
        queue = self._waiting[caller]
        job = queue.popleft()
        running = self._running[caller] = self._running.get(caller, 0) + 1
        if not queue:
            del self._waiting[caller]
        elif running < self._per_caller:
            self._make_ready(caller)
        return caller, job

    def _end(self, caller: str) -> None:
        running = self._running[caller] - 1
        if running:
            self._running[caller] = running
        else:
            del self._running[caller]
        # This caller was at its limit, so it is not in `_ready`.
        if running == self._per_caller - 1 and caller in self._waiting:
            self._ready.append(caller)
