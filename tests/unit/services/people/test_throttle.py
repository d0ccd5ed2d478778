"""What each rule of the throttle makes an attempt wait."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vault.services.people.throttle import (
    ACCOUNT_FAILURES,
    ADDRESS_FAILURES,
    OVERALL_FAILURES,
    PAIR_FAILURES,
    WINDOW_US,
    Attempt,
    _refusals,
)

NOW_US = 1_800_000_000_000_000
ATTEMPT = Attempt(b"pair", b"account", b"address", b"overall")


def wait(bucket: str, failures: int, *, known: bool = False, last_us: int = NOW_US, window_us: int = NOW_US) -> int:
    """How long an attempt waits after so many failures in one bucket."""
    row: Any = SimpleNamespace(failures=failures, last_us=last_us, window_us=window_us)
    idle: Any = SimpleNamespace(failures=1, last_us=last_us, window_us=window_us)
    counters = {b"address": idle, bucket.encode(): row}
    return max(_refusals(ATTEMPT, counters, NOW_US, known=known))


@pytest.mark.parametrize(
    ("bucket", "threshold"),
    [
        ("pair", PAIR_FAILURES),
        ("account", ACCOUNT_FAILURES),
        ("address", ADDRESS_FAILURES),
        ("overall", OVERALL_FAILURES),
    ],
)
def test_each_rule_begins_at_its_threshold(bucket: str, threshold: int) -> None:
    assert wait(bucket, threshold - 1) <= 0
    assert wait(bucket, threshold) > 0


@pytest.mark.parametrize("bucket", ["account", "address", "overall"])
def test_an_address_of_the_owners_is_touched_by_its_own_failures_only(bucket: str) -> None:
    assert wait(bucket, 10_000, known=True) <= 0
    assert wait("pair", PAIR_FAILURES, known=True) > 0


@pytest.mark.parametrize("bucket", ["pair", "account", "address", "overall", "daily"])
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


@pytest.mark.parametrize("bucket", ["pair", "account", "address", "overall"])
def test_what_is_older_than_its_window_counts_no_more(bucket: str) -> None:
    past = NOW_US - WINDOW_US
    assert wait(bucket, 10_000, last_us=NOW_US - 3_000_000, window_us=past) <= 0
