"""The thread that looks for changes: it sleeps without followers, goes on after failures, and is loud."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.patience import HANG_SECONDS, eventually
from vault.errors import DatabaseUnavailable, IntegrityError
from vault.observe import metrics
from vault.services.sync.pulse import LATE_SECONDS, Pulse
from vault.sync import tail as module
from vault.sync.tail import Tail


class Work:
    """A turn that counts, and fails as it is told."""

    def __init__(self) -> None:
        self.turns = 0
        self.is_needed = False
        self.failure: Exception | None = None

    def turn(self) -> None:
        self.turns += 1
        if self.failure is not None:
            raise self.failure


def is_late(pulse: Pulse) -> bool:
    return pulse.is_late


@contextmanager
def tail_of(work: Work, turn: Callable[[], None] | None = None, rhythm: float = 0.001) -> Iterator[Tail]:
    tail = Tail(turn or work.turn, lambda: work.is_needed, Pulse(), rhythm)
    tail.start()
    try:
        yield tail
    finally:
        tail.stop()
        assert not tail._thread.is_alive()


def test_it_does_nothing_while_nobody_follows() -> None:
    work, asked = Work(), threading.Event()

    def is_needed() -> bool:
        asked.set()
        return work.is_needed

    tail = Tail(work.turn, is_needed, Pulse(), 0.001)
    tail.start()
    assert asked.wait(HANG_SECONDS)
    # A wake without a follower gives no turn either.
    asked.clear()
    tail.wake()
    assert asked.wait(HANG_SECONDS)
    assert work.turns == 0
    work.is_needed = True
    tail.wake()
    assert eventually(lambda: work.turns > 3)
    tail.stop()


def test_it_rests_again_when_the_last_follower_has_left() -> None:
    work, pulse = Work(), Pulse()
    work.is_needed = True
    tail = Tail(work.turn, lambda: work.is_needed, pulse, 0.001)
    tail.start()
    assert eventually(lambda: work.turns > 0)
    work.is_needed = False
    assert eventually(lambda: pulse.silent_seconds == 0.0)
    before = work.turns
    tail.wake()
    tail.stop()
    assert work.turns <= before + 1


def test_a_wake_does_not_wait_for_the_rhythm() -> None:
    work = Work()
    work.is_needed = True
    with tail_of(work, rhythm=HANG_SECONDS) as tail:
        for count in range(1, 5):
            tail.wake()
            assert eventually(lambda count=count: work.turns >= count)  # type: ignore[misc]  # a lambda's default


@pytest.mark.parametrize("failure", [DatabaseUnavailable(), IntegrityError(), RuntimeError("hunter2")])
def test_it_goes_on_after_every_failure(
    failure: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("_AWAY_SECONDS", "_AWAY_MOST_SECONDS", "_FAILED_SECONDS"):
        monkeypatch.setattr(module, name, 0.001)
    before = metrics().feed_failures._value.get()
    work = Work()
    work.is_needed, work.failure = True, failure
    with tail_of(work):
        assert eventually(lambda: work.turns > 3)
        work.failure = None
        turns = work.turns
        assert eventually(lambda: work.turns > turns + 3)
    log = capsys.readouterr().err
    assert ("feed_waits" if isinstance(failure, DatabaseUnavailable) else "feed_turn_failed") in log
    assert "hunter2" not in log
    counted = metrics().feed_failures._value.get() - before
    assert counted == 0 if isinstance(failure, DatabaseUnavailable) else counted >= 3


def test_a_turn_that_hangs_is_noticed() -> None:
    now, hangs, released = [100.0], threading.Event(), threading.Event()
    pulse = Pulse(lambda: now[0])

    def turn() -> None:
        hangs.set()
        released.wait(HANG_SECONDS)

    tail = Tail(turn, lambda: True, pulse, 0.001)
    tail.start()
    try:
        assert hangs.wait(HANG_SECONDS)
        assert not is_late(pulse)
        now[0] += LATE_SECONDS + 1
        assert is_late(pulse)
    finally:
        released.set()
        tail.stop()


def test_a_thread_that_rests_is_never_late() -> None:
    now = [100.0]
    pulse = Pulse(lambda: now[0])
    now[0] += 1000
    assert not is_late(pulse)
    pulse.begin()
    now[0] += LATE_SECONDS - 1
    pulse.begin()
    assert not is_late(pulse)
    now[0] += 2
    assert is_late(pulse)
    pulse.beat()
    assert not is_late(pulse)
    now[0] += 1000
    pulse.rest()
    assert pulse.silent_seconds == 0.0
