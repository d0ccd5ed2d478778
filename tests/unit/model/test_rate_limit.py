"""A rate limit: how often something may happen, in a row and at once."""

from __future__ import annotations

from vault.model.rate_limit import RateLimit


def test_ten_at_once_are_allowed_and_the_eleventh_is_not() -> None:
    limit = RateLimit(10.0, 10.0, 100.0)
    assert [limit.allows(100.0) for _ in range(11)] == [True] * 10 + [False]


def test_a_steady_ten_a_second_goes_on_for_ever() -> None:
    limit = RateLimit(10.0, 10.0, 100.0)
    assert all(limit.allows(100.0 + number / 9.9) for number in range(1000))


def test_what_is_refused_is_not_counted() -> None:
    limit = RateLimit(1.0, 2.0, 100.0)
    assert [limit.allows(100.0) for _ in range(9)].count(True) == 2
    assert [limit.allows(101.0), limit.allows(101.0)] == [True, False]


def test_a_pause_earns_no_more_than_is_allowed_at_once() -> None:
    limit = RateLimit(10.0, 10.0, 100.0)
    assert [limit.allows(10_000.0) for _ in range(12)].count(True) == 10
