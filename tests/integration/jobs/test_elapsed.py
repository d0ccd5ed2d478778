"""A clock that is wrong once: nothing that should stay is deleted, and no job or login waits for its time to come."""

from __future__ import annotations

import pytest

from tests.support.vaults import FakeClock, add_environment, add_token, as_token, grant, run_sql, write
from vault.errors import TooManyRequests
from vault.jobs.elapsed import WAIT_US, explained
from vault.jobs.purge import purge
from vault.model.principal import Principal
from vault.services import Services
from vault.services.purging import LAPSED_KEPT_US

HOUR, DAY, YEAR = 3600, 24 * 3600, 365 * 24 * 3600


def run(vault: Services) -> dict[str, int]:
    """What the job deletes."""
    return {kind: count for kind, count in explained(purge)(vault).items() if count}


def in_the_bin(vault: Services) -> int:
    return len(run_sql(vault, "SELECT 1 FROM environments WHERE deleted_us IS NOT NULL"))


@pytest.fixture
def binned(vault: Services, ada: Principal) -> Services:
    """The vault with an environment that was deleted a moment ago, and a token of ten days."""
    add_environment(vault, ada, "prod", A="1")
    write(vault, lambda unit: vault.environments.environments.delete(unit, ada, "prod"))
    return vault


def test_a_clock_a_year_ahead_empties_no_bin_and_deletes_no_token(
    binned: Services, ada: Principal, clock: FakeClock
) -> None:
    token = add_token(binned, ada, grant("read", path="*"), ttl_seconds=10 * DAY).secret
    run(binned)
    clock.advance(YEAR)
    for _ in range(6 * 5):
        assert run(binned) == {}
        clock.advance(600)
    clock.advance(-YEAR - 5 * HOUR)
    run(binned)
    assert in_the_bin(binned) == 1
    assert as_token(binned, token).user_id == ada.user_id


def test_a_clock_that_was_wrong_at_the_start_and_stays_so_for_a_restart_destroys_nothing(
    binned: Services, clock: FakeClock
) -> None:
    run(binned)
    for _ in range(5):
        clock.advance(YEAR)
        assert run(binned) == {}
    assert in_the_bin(binned) == 1


def test_after_a_pause_that_was_real_it_deletes_again(binned: Services, clock: FakeClock) -> None:
    run(binned)
    clock.advance(40 * DAY)
    done: dict[str, int] = {}
    tries = 0
    while "environments" not in done:
        clock.advance(600)
        done = run(binned)
        tries += 1
        assert tries <= WAIT_US // 600_000_000 + 2
    assert tries >= WAIT_US // 600_000_000
    assert in_the_bin(binned) == 0
    assert run_sql(binned, "SELECT 1 FROM leases WHERE name = 'clock waited'") == []


def test_time_that_passes_as_it_should_holds_nothing_up(binned: Services, clock: FakeClock) -> None:
    run(binned)
    for _ in range(32):
        clock.advance(DAY)
        run(binned)
    assert in_the_bin(binned) == 0


def test_after_a_clock_that_was_accepted_and_is_set_back_time_counts_from_there(
    binned: Services, clock: FakeClock
) -> None:
    for _ in range(29):
        run(binned)
        clock.advance(DAY)
    run(binned)
    clock.advance(-29 * DAY)
    run(binned)
    clock.advance(30 * DAY + HOUR)
    assert run(binned) == {}
    assert in_the_bin(binned) == 1


def test_a_lease_that_a_clock_ahead_has_taken_holds_no_job_up(vault: Services, clock: FakeClock) -> None:
    def take(holder: str) -> bool:
        return write(vault, lambda unit: unit.leases.take("purge", holder, clock(), 60_000_000))

    clock.advance(YEAR)
    assert take("ahead")
    clock.advance(-YEAR)
    assert take("right")
    # Two clocks that differ a little do not take it from each other.
    clock.advance(-60)
    assert not take("behind")


def test_a_worker_that_died_with_its_clock_ahead_is_waited_for_no_longer(vault: Services, clock: FakeClock) -> None:
    def beat(name: str) -> None:
        write(
            vault,
            lambda unit: unit.workers.beat(name, "host", 1, 1, 1, clock(), 20_000_000),
        )

    beat("right")
    clock.advance(YEAR)
    beat("ahead")
    clock.advance(-YEAR)
    with vault.storage.read() as unit:
        assert len(unit.workers.living(clock())) == 2
    assert LAPSED_KEPT_US < YEAR * 1_000_000
    purge(vault)
    with vault.storage.read() as unit:
        assert [row.id for row in unit.workers.living(clock())] == ["right"]


def test_failures_that_a_clock_ahead_has_counted_lock_nobody_out(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    def attempt(address: str) -> None:
        write(vault, lambda unit: vault.people.accounts._throttle.admit(unit, "ada", address, ada.user_id))

    clock.advance(YEAR)
    for _ in range(10):
        attempt("203.0.113.9")
    with pytest.raises(TooManyRequests):
        attempt("203.0.113.9")
    clock.advance(-YEAR)
    # They are counted anew, and as strictly.
    for _ in range(10):
        attempt("203.0.113.9")
    with pytest.raises(TooManyRequests):
        attempt("203.0.113.9")
