"""The folding of names and addresses, and what each rule of the throttle makes an attempt wait."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.services.people.throttle import (
    ACCOUNT_FAILURES,
    ADDRESS_FAILURES,
    OVERALL_FAILURES,
    PAIR_FAILURES,
    WINDOW_US,
    Attempt,
    _refusals,
    fold_address,
    fold_username,
)

NOW_US = 1_800_000_000_000_000
ATTEMPT = Attempt(b"pair", b"account", b"address", b"overall")


@pytest.mark.parametrize("name", ["ada", "ADA", " ada", "ada\t", "\u00a0ada\u3000", "\uff21\uff24\uff21"])
def test_variants_of_a_name_are_one_name(name: str) -> None:
    assert fold_username(name) == "ada"


def test_sharp_s_and_its_capital_are_one() -> None:
    assert fold_username("stra\u00dfe") == fold_username("STRASSE") == fold_username("Stra\u1e9ee")


@given(st.text(max_size=40))
def test_case_never_makes_another_name(name: str) -> None:
    assert fold_username(f" {name} ") == fold_username(name)


@pytest.mark.parametrize(
    ("address", "folded"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("not an address", "not an address"),
    ],
)
def test_whoever_has_one_address_has_its_neighbours(address: str, folded: str) -> None:
    assert fold_address(address) == folded


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
