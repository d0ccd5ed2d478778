"""How fast a client may send messages."""

from __future__ import annotations

from vault.sync.pace import Pace


def test_ten_messages_at_once_are_allowed_and_the_eleventh_is_not() -> None:
    pace = Pace(10, 100.0)
    assert [pace.allows(100.0) for _ in range(11)] == [True] * 10 + [False]


def test_a_steady_ten_a_second_goes_on_for_ever() -> None:
    pace = Pace(10, 100.0)
    assert all(pace.allows(100.0 + number / 9.9) for number in range(1000))


def test_a_pause_earns_no_more_than_one_second_s_worth() -> None:
    pace = Pace(10, 100.0)
    assert [pace.allows(10_000.0) for _ in range(12)].count(True) == 10
