"""`Guarded`: a provider that hangs or fails must not take the vault with it.

    call ── breaker open? ── yes ── KeyProviderUnavailable at once, with when to ask again
              │ no
              └─ a thread of our own ── answer within what is left of 3 s? ── no, or a passing failure ─┐
                                          │ yes                                     at most two retries ┘
                                          └─ answer

A provider on this machine (`capabilities().local`) is called directly: a thread would cost more than its answer.
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
    """How patient the vault is with a provider that is not on this machine."""

    budget_seconds: float = 3.0
    """For one call with all its retries: a request waits no longer for its key."""

    retries: int = 2
    backoff_seconds: float = 0.1
    failures_to_open: int = 3
    open_seconds: float = 5.0
    threads: int = 4
    """All of them may hang in the provider at once; further calls wait for their budget, and then go."""


class Guarded:
    """A provider with a time budget, retries with jitter and a circuit breaker; itself a provider."""

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
        """The provider's own."""
        return self._provider.name

    def create_version(self) -> str:
        """Asked once only: a retry after a lost answer would leave a key behind that nobody knows of."""
        return self._call(self._provider.create_version, retries=0)

    def wrap(self, ref: str, key: bytes, context: bytes) -> bytes:
        """As the provider."""
        return self._call(lambda: self._provider.wrap(ref, key, context))

    def unwrap(self, ref: str, wrapped: bytes, context: bytes) -> bytes:
        """As the provider."""
        return self._call(lambda: self._provider.unwrap(ref, wrapped, context))

    def disable(self, ref: str) -> None:
        """As the provider."""
        self._call(lambda: self._provider.disable(ref))

    def enable(self, ref: str) -> None:
        """As the provider."""
        self._call(lambda: self._provider.enable(ref))

    def destroy(self, ref: str) -> None:
        """As the provider."""
        self._call(lambda: self._provider.destroy(ref))

    def probe(self) -> None:
        """As the provider."""
        self._call(self._provider.probe, retries=0)

    def capabilities(self) -> Capabilities:
        """The provider's own."""
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
                # Full jitter: workers that failed together must not come back together.
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
            # Where it has not begun it never will; where it hangs, its thread is lost until it returns.
            future.cancel()
            self._breaker.failed()
            raise KeyProviderUnavailable() from None
        except KeyProviderUnavailable:
            self._breaker.failed()
            raise
        except (KeyProviderError, BlobError):
            # It refused, so it is well.
            self._breaker.answered()
            raise
        except BaseException:
            self._breaker.failed()
            raise
        self._breaker.answered()
        return answer


class _Breaker:
    """Closed: all pass. Open: none, for a while. Then one may try, and its outcome decides."""

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
            # This caller tries; the others are refused until it knows.
            self._open_until = self._clock() + self._limits.open_seconds

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            self._open_until = self._clock() + self._limits.open_seconds

    def answered(self) -> None:
        with self._lock:
            self._failures = 0


class _Threads:
    """A few daemon threads, made at the first call and so after the fork.

    `ThreadPoolExecutor` waits for its threads when the process ends, and a hung provider would keep it from ending.
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
