"""The guard around a provider that hangs and fails. Budgets here are short; the clock and the sleep are played."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.contract.opaque_provider import OpaqueProvider
from tests.support.patience import eventually, in_time
from vault.errors import BlobError, KeyProviderError, KeyProviderUnavailable
from vault.keys import Capabilities, Guarded
from vault.keys.guard import Limits

LIMITS = Limits(budget_seconds=0.2, retries=2, backoff_seconds=0.1, failures_to_open=3, open_seconds=5.0, threads=2)


class Bench:
    """A guarded opaque provider; sleeping moves the clock."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.provider = OpaqueProvider()
        self.guarded = Guarded(self.provider, limits, clock=lambda: self.now, sleep=self._sleep, chance=lambda: 0.5)
        self.ref = self.guarded.create_version()
        self.provider.calls.clear()

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def wrap(self) -> bytes:
        return self.guarded.wrap(self.ref, bytes(32), b"")

    def fails(self) -> KeyProviderUnavailable:
        with pytest.raises(KeyProviderUnavailable) as caught:
            self.wrap()
        return caught.value


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def hanging(bench: Bench) -> Iterator[Bench]:
    """Whatever is asked waits until the test is over."""
    over = threading.Event()
    bench.provider.before = lambda: (over.wait(10), None)[1]
    yield bench
    over.set()


def test_an_answer_passes(bench: Bench) -> None:
    assert bench.guarded.unwrap(bench.ref, bench.wrap(), b"") == bytes(32)
    assert bench.slept == []
    assert bench.guarded.name == "opaque"


def test_a_passing_failure_is_tried_again_twice_with_growing_pauses(bench: Bench) -> None:
    bench.provider.failures = 2
    assert bench.wrap()
    assert bench.provider.calls == ["wrap"] * 3
    assert bench.slept == [0.05, 0.1]


def test_after_two_retries_it_is_unavailable(bench: Bench) -> None:
    bench.provider.failures = 100
    bench.fails()
    assert bench.provider.calls == ["wrap"] * 3


@pytest.mark.parametrize("error", [KeyProviderError("The key is disabled."), BlobError()])
def test_a_refusal_is_not_tried_again_and_opens_nothing(bench: Bench, error: Exception) -> None:
    def refuse() -> None:
        raise error

    bench.provider.before = refuse
    for _ in range(10):
        with pytest.raises(type(error)):
            bench.wrap()
    assert len(bench.provider.calls) == 10


def test_a_new_version_is_asked_for_once_only(bench: Bench) -> None:
    bench.provider.failures = 1
    with pytest.raises(KeyProviderUnavailable):
        bench.guarded.create_version()
    assert bench.provider.calls == ["create_version"]


def test_a_provider_that_hangs_is_given_up_within_the_budget(hanging: Bench) -> None:
    begun = time.monotonic()
    hanging.fails()
    hanging.fails()
    assert in_time(time.monotonic() - begun, 2.0)


def test_no_retry_begins_after_the_budget(bench: Bench) -> None:
    bench.provider.failures = 100

    def take_long() -> None:
        bench.now += 0.19

    bench.provider.before = take_long
    bench.fails()
    assert bench.provider.calls == ["wrap"]


def test_after_three_failures_nobody_is_sent_there_and_all_are_told_when_to_come_back(bench: Bench) -> None:
    bench.provider.failures = 100
    bench.fails()
    assert bench.fails().retry_after_seconds == 5
    bench.now += 4
    assert bench.fails().retry_after_seconds == 1
    assert len(bench.provider.calls) == 3


def test_when_its_time_is_up_one_tries_and_an_answer_closes_the_breaker(bench: Bench) -> None:
    bench.provider.failures = 3
    bench.fails()
    bench.now += 5
    assert bench.wrap()
    assert bench.wrap()


def test_when_its_time_is_up_another_failure_opens_it_again(bench: Bench) -> None:
    bench.provider.failures = 4
    bench.fails()
    bench.now += 5
    bench.fails()
    bench.fails()
    assert len(bench.provider.calls) == 4


def test_while_one_tries_the_others_are_refused(bench: Bench) -> None:
    bench.provider.failures = 3
    bench.fails()
    bench.now += 5
    refused: list[KeyProviderUnavailable] = []

    def meanwhile() -> None:
        bench.provider.before = lambda: None
        refused.append(bench.fails())

    bench.provider.before = meanwhile
    assert bench.wrap()
    assert len(refused) == 1


def test_calls_that_find_every_thread_hanging_are_given_up_and_never_run() -> None:
    over = threading.Event()
    provider = OpaqueProvider(before=lambda: (over.wait(10), None)[1])
    guarded = Guarded(provider, Limits(budget_seconds=0.05, retries=0, failures_to_open=100, threads=2))
    for _ in range(4):
        with pytest.raises(KeyProviderUnavailable):
            guarded.probe()
    over.set()
    version = provider.create_version()

    def is_enabled() -> bool:
        with contextlib.suppress(KeyProviderUnavailable):
            guarded.enable(version)
            return True
        return False

    assert eventually(is_enabled)
    assert provider.calls[:3] == ["probe", "probe", "create_version"]
    assert set(provider.calls[3:]) == {"enable"}


def test_an_error_that_nobody_foresaw_passes_as_it_is(bench: Bench) -> None:
    def explode() -> None:
        raise ZeroDivisionError

    bench.provider.before = explode
    with pytest.raises(ZeroDivisionError):
        bench.wrap()


def test_a_local_provider_is_called_in_the_callers_own_thread() -> None:
    threads: list[str] = []

    class Local(OpaqueProvider):
        def capabilities(self) -> Capabilities:
            return Capabilities(context=False, local=True)

    local = Local(before=lambda: threads.append(threading.current_thread().name))
    Guarded(local).probe()
    assert threads == [threading.current_thread().name]


CALLS: dict[str, Callable[[Guarded, str], object]] = {
    "disable": lambda guarded, ref: guarded.disable(ref),
    "enable": lambda guarded, ref: guarded.enable(ref),
    "destroy": lambda guarded, ref: guarded.destroy(ref),
    "probe": lambda guarded, _: guarded.probe(),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_reaches_the_provider(bench: Bench, name: str) -> None:
    CALLS[name](bench.guarded, bench.ref)
    assert bench.provider.calls == [name]
    assert bench.guarded.capabilities() == bench.provider.capabilities()
