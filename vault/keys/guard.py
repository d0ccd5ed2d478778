"""`Guarded`: time limits, retries and a circuit breaker for a key provider that hangs or fails.

    call ── breaker open? ── yes ── KeyProviderUnavailable at once, with the time to retry
              │ no
              └─ a thread of our own ── answer within the rest of 3 s? ── no, or a temporary failure ──┐
                                          │ yes                                     at most two retries ┘
                                          └─ answer

A provider on this machine (`capabilities().local`) is called directly: a thread would cost more than the call.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import TypeVar

from vault.errors import BlobError, KeyProviderError, KeyProviderUnavailable
from vault.keys.provider import Capabilities, Provider

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for a provider that is not on this machine."""

    budget_seconds: float = 3.0
    """The limit for one call with all its retries. No request waits longer for its key."""

    retries: int = 2
    backoff_seconds: float = 0.1
    failures_to_open: int = 3
    open_seconds: float = 5.0
    threads: int = 4
    """All threads may hang in the provider at once. Further calls then wait until their budget ends, and fail."""


class Guarded:
    """A provider with a time budget, retries with jitter and a circuit breaker. It is a provider itself."""

    def __init__(
        self,
        provider: Provider,
        limits: Limits = Limits(),
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._provider = provider
        self._limits = limits
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._breaker = _Breaker(limits, clock)
        self._threads = _Threads(limits.threads)
        self._local = provider.capabilities().local

    @property
    def name(self) -> str:
        """The provider's name."""
        return self._provider.name

    def create_version(self) -> str:
        """Call the provider's `create_version`, without retries: a lost first attempt may have made a key."""
        return self._call(self._provider.create_version, retries=0)

    def wrap(self, ref: str, key: bytes, context: bytes) -> bytes:
        """Call the provider's `wrap`."""
        return self._call(lambda: self._provider.wrap(ref, key, context))

    def unwrap(self, ref: str, wrapped: bytes, context: bytes) -> bytes:
        """Call the provider's `unwrap`."""
        return self._call(lambda: self._provider.unwrap(ref, wrapped, context))

    def disable(self, ref: str) -> None:
        """Call the provider's `disable`."""
        self._call(lambda: self._provider.disable(ref))

    def enable(self, ref: str) -> None:
        """Call the provider's `enable`."""
        self._call(lambda: self._provider.enable(ref))

    def destroy(self, ref: str) -> None:
        """Call the provider's `destroy`."""
        self._call(lambda: self._provider.destroy(ref))

    def probe(self) -> None:
        """Call the provider's `probe`."""
        self._call(self._provider.probe, retries=0)

    def capabilities(self) -> Capabilities:
        """The provider's capabilities."""
        return self._provider.capabilities()

    def _call(self, ask: Callable[[], Answer], retries: int | None = None) -> Answer:
        if self._local:
            return ask()
        attempts = 1 + (self._limits.retries if retries is None else retries)
        deadline = self._clock() + self._limits.budget_seconds
        for attempt in range(attempts):
            self._breaker.enter()
            try:
                return self._ask_once(ask, deadline)
            except KeyProviderUnavailable:
                # Full jitter, so that workers that failed together do not retry together.
                pause = self._limits.backoff_seconds * 2**attempt * self._chance()
                if attempt + 1 == attempts or self._clock() + pause >= deadline:
                    raise
                self._sleep(pause)
        raise AssertionError("The last attempt returns or raises.")

    def _ask_once(self, ask: Callable[[], Answer], deadline: float) -> Answer:
        future = self._threads.submit(ask)
        try:
            answer = future.result(timeout=max(0.0, deadline - self._clock()))
        except FutureTimeoutError:
            # `cancel()` stops a queued call. A running call keeps its thread until it returns.
            future.cancel()
            self._breaker.failed()
            raise KeyProviderUnavailable() from None
        except KeyProviderUnavailable:
            self._breaker.failed()
            raise
        except (KeyProviderError, BlobError):
            # The provider answered with a refusal, so it is reachable.
            self._breaker.answered()
            raise
        except BaseException:
            self._breaker.failed()
            raise
        self._breaker.answered()
        return answer


class _Breaker:
    """A circuit breaker. Closed: all calls pass. Open: none for a while, then one call, whose result decides."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until = 0.0

    def enter(self) -> None:
        with self._lock:
            if self._failures < self._limits.failures_to_open:
                return
            left = self._open_until - self._clock()
            if left > 0:
                raise KeyProviderUnavailable(retry_after_seconds=max(1, round(left)))
            # This call passes as the trial. Other calls are refused until it ends.
            self._open_until = self._clock() + self._limits.open_seconds

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            self._open_until = self._clock() + self._limits.open_seconds

    def answered(self) -> None:
        with self._lock:
            self._failures = 0


class _Threads:
    """A few daemon threads, started at the first call and therefore after the fork.

    `ThreadPoolExecutor` waits for its threads when the process ends, so a hung provider would keep the process alive.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._started = 0
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def submit(self, ask: Callable[[], Answer]) -> Future[Answer]:
        future: Future[Answer] = Future()
        self._work.put(lambda: _run(future, ask))
        with self._lock:
            if self._started < self._count:
                self._started += 1
                threading.Thread(target=self._serve, name="key-provider", daemon=True).start()
        return future

    def _serve(self) -> None:
        while True:
            self._work.get()()


def _run(future: Future[Answer], ask: Callable[[], Answer]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(ask())
    except BaseException as error:
        future.set_exception(error)
