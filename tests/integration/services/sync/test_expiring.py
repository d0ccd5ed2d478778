"""The feed says once that a revision has expired, whichever worker runs, after any pause and with any clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.vaults import FakeClock, add_environment, opened_again, patch, run_sql, write
from vault.jobs.expire import expire
from vault.model.action import Action
from vault.model.clock import CLOCKS_DIFFER_US, SECOND_US
from vault.model.principal import Principal, vault_itself
from vault.services import Services

LIFE = 600
HOUR, DAY, YEAR = 3600, 24 * 3600, 365 * 24 * 3600


def told(vault: Services) -> list[tuple[str, int]]:
    """The environment and the revision of each."""
    sql = "SELECT environment_id, revision FROM changes WHERE kind = :kind ORDER BY user_id, seq"
    return [tuple(row) for row in run_sql(vault, sql, kind=Action.REVISION_EXPIRE)]


def run(vault: Services) -> int:
    return vault.sync.expiring.run(vault_itself("test"))


def mortal(vault: Services, who: Principal, name: str, life: int = LIFE) -> str:
    """An environment whose revision lives for `life` seconds. Returns its id."""
    row = add_environment(vault, who, name)
    wishes: Any = {"delete_version_after_seconds": life}
    write(vault, lambda unit: vault.environments.environments.change(unit, who, name, wishes))
    patch(vault, who, name, A="1")
    return row.id


def test_a_revision_is_told_of_once_after_its_time(vault: Services, ada: Principal, clock: FakeClock) -> None:
    run(vault)
    row = mortal(vault, ada, "prod")
    clock.advance(LIFE)
    assert run(vault) == 0
    with vault.storage.read() as unit:
        before = unit.marks.numbers([ada.user_id])[ada.user_id]
    clock.advance(1)
    assert run(vault) == 1
    assert told(vault) == [(row, 1)]
    for _ in range(20):
        clock.advance(30)
        assert run(vault) == 0
    with vault.storage.read() as unit:
        assert unit.marks.numbers([ada.user_id])[ada.user_id] == before + 1
    ((actor, revision),) = run_sql(vault, "SELECT actor, revision FROM audit_events WHERE action = 'revision.expire'")
    assert (actor, revision) == (vault_itself("test").label, 1)


def test_after_an_hour_without_a_worker_it_is_told_of_once(vault: Services, ada: Principal, clock: FakeClock) -> None:
    run(vault)
    row = mortal(vault, ada, "prod")
    clock.advance(HOUR + LIFE)
    with opened_again(vault, clock) as another:
        assert run(another) == 1
        assert run(another) == 0
    clock.advance(30 * DAY)
    assert run(vault) == 0
    assert told(vault) == [(row, 1)]


def test_what_had_expired_before_the_first_run_is_not_told_of(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    mortal(vault, ada, "prod")
    clock.advance(LIFE + CLOCKS_DIFFER_US / SECOND_US + 2)
    assert run(vault) == 0
    clock.advance(60)
    assert run(vault) == 0


def test_a_clock_a_year_ahead_tells_at_once_and_again_when_the_time_really_comes(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    run(vault)
    row = mortal(vault, ada, "prod")
    clock.advance(YEAR)
    # By this clock the values are gone.
    assert run(vault) == 1
    clock.advance(60 - YEAR)
    assert run(vault) == 0
    clock.advance(LIFE)
    assert run(vault) == 1
    assert run(vault) == 0
    assert told(vault) == [(row, 1)] * 2


def test_what_has_expired_while_the_clock_was_ahead_is_told_when_it_is_right_again(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    run(vault)
    row = mortal(vault, ada, "prod")
    clock.advance(YEAR)
    assert run(vault) == 1
    clock.advance(LIFE + 60 - YEAR)
    assert run(vault) == 1
    assert run(vault) == 0
    assert told(vault) == [(row, 1)] * 2


def test_a_clock_that_goes_back_by_a_day_tells_nothing_twice(vault: Services, ada: Principal, clock: FakeClock) -> None:
    run(vault)
    row = mortal(vault, ada, "prod")
    clock.advance(LIFE + 10)
    assert run(vault) == 1
    clock.advance(CLOCKS_DIFFER_US / SECOND_US - 5)
    run(vault)
    clock.advance(-60)
    run(vault)
    clock.advance(-200)
    assert run(vault) == 0
    clock.advance(HOUR)
    assert run(vault) == 0
    assert told(vault) == [(row, 1)]


def test_a_writer_whose_clock_is_slow_is_told_of_too(vault: Services, ada: Principal, clock: FakeClock) -> None:
    slow = FakeClock(clock.us - CLOCKS_DIFFER_US + 10 * SECOND_US)
    run(vault)
    with opened_again(vault, slow) as other:
        row = mortal(other, ada, "prod", 5)
    # Its time was over before it was written, by the clock of the host that looks.
    clock.advance(1)
    assert run(vault) == 1
    clock.advance(30)
    assert run(vault) == 0
    assert told(vault) == [(row, 1)]


def replace_it(vault: Services, who: Principal) -> None:
    patch(vault, who, "prod", A="2")


def delete_it(vault: Services, who: Principal) -> None:
    write(vault, lambda unit: vault.environments.environments.delete(unit, who, "prod"))


def hide_it(vault: Services, who: Principal) -> None:
    write(vault, lambda unit: vault.vaultkv.versions.delete(unit, who, "prod", None))


def destroy_it(vault: Services, who: Principal) -> None:
    write(vault, lambda unit: vault.vaultkv.versions.destroy(unit, who, "prod", [1]))


def keep_it(vault: Services, who: Principal) -> None:
    write(vault, lambda unit: vault.vaultkv.versions.undelete(unit, who, "prod", [1]))


@pytest.mark.parametrize("end", [delete_it, hide_it, destroy_it, keep_it])
def test_one_that_has_ended_otherwise_is_not_told_of(
    vault: Services, ada: Principal, clock: FakeClock, end: Callable[[Services, Principal], None]
) -> None:
    run(vault)
    mortal(vault, ada, "prod")
    clock.advance(60)
    end(vault, ada)
    clock.advance(2)
    assert run(vault) == 0
    clock.advance(LIFE)
    assert run(vault) == 0


def test_only_the_current_revision_counts(vault: Services, ada: Principal, clock: FakeClock) -> None:
    run(vault)
    row = mortal(vault, ada, "prod")
    clock.advance(60)
    replace_it(vault, ada)
    clock.advance(LIFE - 60 + 1)
    assert run(vault) == 0
    clock.advance(60)
    assert run(vault) == 1
    assert told(vault) == [(row, 2)]


def test_many_are_told_of_in_steps_and_several_workers_tell_of_each_once(
    vault: Services, ada: Principal, bob: Principal, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.services.sync.expiring._AT_ONCE", 3)
    run(vault)
    made = {(mortal(vault, who, f"env-{number}"), 1) for number in range(5) for who in (ada, bob)}
    clock.advance(LIFE + 1)
    meet = threading.Barrier(3)
    counts: list[int] = []

    def work() -> None:
        meet.wait()
        counts.append(run(vault))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == 3
    assert set(told(vault)) == made
    assert len(told(vault)) == len(made)


def test_the_job_begins_the_feed_of_an_upgraded_vault_and_runs_for_one_worker(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    run_sql(vault, "DELETE FROM feed")
    expire(vault, "one")
    assert len(run_sql(vault, "SELECT 1 FROM feed")) == 1
    row = mortal(vault, ada, "prod")
    clock.advance(50)
    expire(vault, "one")
    clock.advance(LIFE - 50 + 1)
    write(vault, lambda unit: unit.leases.take("expire", "one", clock(), 60 * SECOND_US))
    expire(vault, "two")
    assert told(vault) == []
    expire(vault, "one")
    assert told(vault) == [(row, 1)]


def test_a_locked_worker_tells_nothing(vault: Services, ada: Principal, clock: FakeClock) -> None:
    expire(vault, "one")
    mortal(vault, ada, "prod")
    clock.advance(LIFE + 1)
    vault.instance._purge()
    expire(vault, "one")
    assert told(vault) == []
