"""How often work is tried again, how long it waits in between, and what is said in the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vault.errors import DatabaseUnavailable, Unavailable
from vault.storage import Stale, Storage, UnitOfWork
from vault.storage.retry import TRIES, again, patiently

SENTENCE = "Someone else is changing this at the same moment. Please try again."


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each wait would have been."""
    waited: list[float] = []
    monkeypatch.setattr("vault.storage.retry.time.sleep", waited.append)
    return waited


def failing(times: int, error: Exception) -> Callable[..., tuple[object, ...]]:
    """An action that fails so often, and then returns its arguments."""
    left = [error] * times

    def action(*args: object, **kwargs: object) -> tuple[object, ...]:
        if left:
            raise left.pop()
        return (*args, kwargs)

    return action


def test_the_second_try_comes_at_once(waits: list[float]) -> None:
    assert again(failing(1, Stale()), 1, two=2) == (1, {"two": 2})
    assert waits == []


def test_later_tries_wait_longer(waits: list[float]) -> None:
    again(failing(TRIES - 1, Stale()))

    assert len(waits) == TRIES - 2
    assert all(0.05 * tries <= wait <= 0.1 * tries for tries, wait in enumerate(waits, 2))


def test_two_writers_do_not_wait_equally(waits: list[float]) -> None:
    again(failing(TRIES - 1, Stale()))
    again(failing(TRIES - 1, Stale()))

    assert waits[: TRIES - 2] != waits[TRIES - 2 :]


def test_after_the_last_try_the_caller_is_told(waits: list[float]) -> None:
    with pytest.raises(Unavailable, match=SENTENCE):
        again(failing(TRIES, Stale()))


def test_another_error_is_raised_at_once(waits: list[float]) -> None:
    with pytest.raises(DatabaseUnavailable):
        again(failing(1, DatabaseUnavailable()))
    assert waits == []


def test_a_transaction_is_tried_as_often_and_says_the_same(waits: list[float], tmp_path: Path) -> None:
    tries = []

    def action(unit: UnitOfWork) -> None:
        tries.append(unit)
        raise Stale

    storage = Storage(f"sqlite:///{tmp_path}/vault.db")
    try:
        with pytest.raises(Unavailable, match=SENTENCE):
            storage.transaction(action)
    finally:
        storage.close()
    assert len(set(map(id, tries))) == len(tries) == TRIES
    assert len(waits) == TRIES - 2


def test_a_short_outage_is_outlasted(waits: list[float]) -> None:
    assert patiently(failing(5, DatabaseUnavailable()), 1) == (1, {})
    assert waits == [1.0] * 5


def test_a_long_outage_is_told(waits: list[float]) -> None:
    with pytest.raises(DatabaseUnavailable):
        patiently(failing(6, DatabaseUnavailable()))
