"""What each rule of the throttle makes an attempt wait."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vault.services.people.throttle import (
    ACCOUNT_FAILURES,
    ADDRESS_FAILURES,
    DAILY_FACTOR_FAILURES,
    OVERALL_FAILURES,
    PAIR_FAILURES,
    VOUCHED_FAILURES,
    VOUCHED_MOST,
    WINDOW_US,
    Attempt,
    Trust,
    _is_used_up,
    _refusals,
)

NOW_US = 1_800_000_000_000_000


def wait(
    bucket: str, failures: int, *, trust: Trust = Trust.NONE, last_us: int = NOW_US, window_us: int = NOW_US
) -> int:
    """How long an attempt waits after so many failures in one bucket."""
    attempt = Attempt(b"near", b"account", b"address", b"overall", b"daily", trust)
    row: Any = SimpleNamespace(failures=failures, last_us=last_us, window_us=window_us)
    idle: Any = SimpleNamespace(failures=1, last_us=last_us, window_us=window_us)
    counters = {b"address": idle, bucket.encode(): row}
    return max(_refusals(attempt, counters, NOW_US))


@pytest.mark.parametrize(
    ("bucket", "threshold"),
    [
        ("near", PAIR_FAILURES),
        ("account", ACCOUNT_FAILURES),
        ("address", ADDRESS_FAILURES),
        ("overall", OVERALL_FAILURES),
        ("daily", DAILY_FACTOR_FAILURES),
    ],
)
def test_each_rule_begins_at_its_threshold(bucket: str, threshold: int) -> None:
    assert wait(bucket, threshold - 1) <= 0
    assert wait(bucket, threshold) > 0


@pytest.mark.parametrize("bucket", ["account", "address", "overall"])
@pytest.mark.parametrize("trust", [Trust.ADDRESS, Trust.VOUCHED])
def test_the_owners_address_or_voucher_is_touched_by_its_own_failures_only(bucket: str, trust: Trust) -> None:
    assert wait(bucket, 10_000, trust=trust) <= 0
    assert wait("near", PAIR_FAILURES, trust=trust) > 0


@pytest.mark.parametrize("trust", Trust)
def test_a_day_has_a_hundred_factors_for_everybody(trust: Trust) -> None:
    assert wait("daily", DAILY_FACTOR_FAILURES - 1, trust=trust) <= 0
    assert wait("daily", DAILY_FACTOR_FAILURES, trust=trust) > 23 * 3_600_000_000


def test_what_vouches_is_slowed_up_to_half_a_minute_and_never_refused() -> None:
    waits = [wait("near", number, trust=Trust.VOUCHED) // 1_000_000 for number in range(VOUCHED_MOST + 1)]
    assert waits == [0] * VOUCHED_FAILURES + [1, 2, 4, 8, 16] + [30] * (VOUCHED_MOST - VOUCHED_FAILURES - 4)


@pytest.mark.parametrize(("bucket", "most"), [("near", VOUCHED_MOST), ("daily", DAILY_FACTOR_FAILURES)])
def test_what_vouches_is_used_up_after_so_many_failures(bucket: str, most: int) -> None:
    attempt = Attempt(b"near", b"account", b"address", b"overall", b"daily", Trust.VOUCHED)

    def used_up(failures: int, window_us: int = NOW_US) -> bool:
        row: Any = SimpleNamespace(failures=failures, last_us=NOW_US, window_us=window_us)
        return _is_used_up(attempt, {bucket.encode(): row}, NOW_US)

    assert not used_up(most - 1)
    assert used_up(most)
    assert not used_up(most, NOW_US - 86_400_000_000)


@pytest.mark.parametrize("bucket", ["near", "account", "address", "overall", "daily"])
@pytest.mark.parametrize("days", [1, 365])
def test_a_counter_of_a_clock_that_was_ahead_refuses_nobody_for_long(bucket: str, days: int) -> None:
    ahead = NOW_US + days * 86_400_000_000
    assert wait(bucket, 10_000, last_us=ahead, window_us=ahead) <= 0
    # One that began before the clock leapt.
    assert wait(bucket, 10_000, last_us=ahead) <= wait(bucket, 10_000)


def test_an_account_under_attack_is_ever_slower_up_to_a_minute() -> None:
    waits = [wait("account", ACCOUNT_FAILURES + more) for more in range(12)]
    assert waits == sorted(waits)
    assert waits[0] == 1_000_000
    assert waits[-1] == 60_000_000


@pytest.mark.parametrize("bucket", ["near", "account", "address", "overall"])
def test_what_is_older_than_its_window_counts_no_more(bucket: str) -> None:
    past = NOW_US - WINDOW_US
    assert wait(bucket, 10_000, last_us=NOW_US - 3_000_000, window_us=past) <= 0
