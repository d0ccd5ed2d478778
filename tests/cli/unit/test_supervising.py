"""When a change is taken: the times that the supervisor waits for, on a clock that the test sets. No process."""

from __future__ import annotations

import random
import time

import pytest

from vault.cli.people.signals import Signals
from vault.cli.people.supervising import Environment, Plan, Supervisor
from vault.client import Values


class Vault:
    """Has the newest values until they are taken."""

    def __init__(self) -> None:
        self.newest: Values | None = None

    def take(self) -> Values | None:
        found, self.newest = self.newest, None
        return found


def environment_of(values: Values) -> Environment:
    return {name.encode(): value.encode() for name, value in values.items()}


class Watched:
    """A supervisor of a program that has A=1, and a clock that stands at 1,000 s."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, debounce: float = 2.0, jitter: float = 0.0) -> None:
        self.now = 1_000.0
        self._vault = Vault()
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        plan = Plan(("true",), debounce, 10.0, jitter, None, None)
        self.supervisor = Supervisor(plan, Signals(), self._vault, environment_of)
        self.supervisor._has = {b"A": b"1"}

    def change(self, value: str) -> None:
        self._vault.newest = Values({"A": value})
        self.supervisor._look_for_change()

    def waits(self) -> float | None:
        """How long it waits for the next step, in seconds; None without a change."""
        return self.supervisor._seconds_left()


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


def test_a_change_waits_for_the_debounce(watched: Watched) -> None:
    assert watched.waits() is None
    watched.change("2")
    assert watched.waits() == 2.0
    watched.now += 1.5
    assert watched.waits() == 0.5
    watched.change("3")
    assert watched.waits() == 2.0


def test_a_change_back_is_no_change(watched: Watched) -> None:
    watched.change("2")
    watched.change("1")
    assert watched.waits() is None
    # The next change waits for the whole debounce again.
    watched.now += 100
    watched.change("2")
    assert watched.waits() == 2.0


def test_changes_that_never_pause_are_taken_after_ten_debounces(watched: Watched) -> None:
    begun = watched.now
    for number in range(2, 100):
        watched.change(str(number))
        if watched.waits() == 0.0:
            break
        watched.now += 1.0
    assert watched.now - begun == 20.0


def test_the_jitter_comes_on_top_and_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return 7.0

    monkeypatch.setattr(random, "uniform", uniform)
    watched = Watched(monkeypatch, jitter=30.0)
    watched.change("2")
    watched.change("3")
    assert watched.waits() == 9.0
    assert drawn == [(0.0, 30.0)]
