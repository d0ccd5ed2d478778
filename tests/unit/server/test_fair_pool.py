"""Turns: who waits behind whom, and what one caller may hold."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from vault.server.fair_pool import FairPool, Job

PATIENCE_SECONDS = 20.0


class Work:
    """Jobs that say who they are, and wait until they are let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go = threading.Event()
        self._changed = threading.Condition()

    def job(self, name: str, *, waits: bool = False) -> Job:
        def run() -> None:
            with self._changed:
                self.begun.append(name)
                self._changed.notify_all()
            if waits:
                assert self.go.wait(PATIENCE_SECONDS)

        return run

    def await_begun(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.begun) >= count, PATIENCE_SECONDS)


@pytest.fixture
def pools() -> Iterator[list[FairPool]]:
    made: list[FairPool] = []
    yield made
    for pool in made:
        pool.stop()


def make(pools: list[FairPool], threads: int, per_caller: int) -> FairPool:
    pools.append(FairPool(threads, per_caller=per_caller, name="test"))
    return pools[-1]


def test_a_call_waits_behind_one_call_of_each_other_caller_and_not_behind_all(pools: list[FairPool]) -> None:
    pool, work = make(pools, 1, 1), Work()
    pool.submit("a", work.job("a0", waits=True))
    work.await_begun(1)
    for number in range(1, 101):
        pool.submit("a", work.job(f"a{number}"))
    pool.submit("b", work.job("b0"))
    pool.submit("b", work.job("b1"))
    pool.submit("c", work.job("c0"))
    work.go.set()
    work.await_begun(104)
    assert work.begun[:7] == ["a0", "b0", "c0", "a1", "b1", "a2", "a3"]


def test_one_caller_never_holds_more_threads_than_its_share(pools: list[FairPool]) -> None:
    pool, work = make(pools, 4, 2), Work()
    for number in range(10):
        pool.submit("a", work.job(f"a{number}", waits=True))
    work.await_begun(2)
    pool.submit("b", work.job("b0"))
    pool.submit("b", work.job("b1"))
    work.await_begun(4)
    assert sorted(work.begun) == ["a0", "a1", "b0", "b1"]
    work.go.set()
    work.await_begun(12)


def test_the_calls_of_one_caller_run_in_their_order(pools: list[FairPool]) -> None:
    pool, work = make(pools, 1, 1), Work()
    for number in range(50):
        pool.submit("a", work.job(str(number)))
    work.await_begun(50)
    assert work.begun == [str(number) for number in range(50)]


def test_a_waiting_job_can_be_withdrawn_and_a_running_one_cannot(pools: list[FairPool]) -> None:
    pool, work = make(pools, 1, 1), Work()
    running, waiting = work.job("running", waits=True), work.job("waiting")
    pool.submit("a", running)
    work.await_begun(1)
    pool.submit("a", waiting)
    pool.submit("b", waiting)
    assert pool.withdraw("b", waiting)
    assert pool.withdraw("a", waiting)
    assert not pool.withdraw("a", waiting)
    assert not pool.withdraw("a", running)
    work.go.set()
    pool.submit("a", work.job("last"))
    work.await_begun(2)
    assert work.begun == ["running", "last"]


def test_a_job_that_raises_takes_no_thread_with_it(pools: list[FairPool]) -> None:
    pool, work = make(pools, 1, 1), Work()

    def broken() -> None:
        raise ValueError

    pool.submit("a", broken)
    pool.submit("a", work.job("next"))
    work.await_begun(1)


def test_a_stopped_pool_starts_nothing_more(pools: list[FairPool]) -> None:
    pool, work = make(pools, 1, 1), Work()
    pool.submit("a", work.job("a0", waits=True))
    work.await_begun(1)
    pool.submit("a", work.job("a1"))
    pool.stop()
    work.go.set()
    with pytest.raises(RuntimeError):
        pool.submit("a", work.job("a2"))
    for thread in pool._threads:
        thread.join(PATIENCE_SECONDS)
    assert work.begun == ["a0"]
