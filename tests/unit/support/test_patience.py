"""Limits hold on a quiet machine, and are stretched where the machine is busy."""

from __future__ import annotations

import time

import pytest

from tests.support import patience


def test_a_limit_that_holds_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "slowness", lambda: pytest.fail("It was measured."))
    assert patience.in_time(0.9, 1.0)
    assert patience.eventually(lambda: True, within_seconds=0.0)


@pytest.mark.parametrize(("times", "is_in_time"), [(1.0, False), (1.4, False), (2.0, True)])
def test_a_limit_is_stretched_by_what_is_measured(
    times: float, is_in_time: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "slowness", lambda: times)
    assert patience.in_time(1.5, 1.0) is is_in_time


@pytest.mark.parametrize(("times", "comes_true"), [(1.0, False), (1000.0, True)])
def test_a_wait_is_stretched_and_ends(times: float, comes_true: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "slowness", lambda: times)
    begun = time.monotonic()
    assert patience.eventually(lambda: time.monotonic() > begun + 0.15, within_seconds=0.05) is comes_true


def test_the_measure_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1.0 <= patience.slowness() <= patience.MOST_TIMES
    monkeypatch.setattr(patience, "QUIET_START_SECONDS", 1e-9)
    assert patience.slowness() == patience.MOST_TIMES
