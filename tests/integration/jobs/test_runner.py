"""Jobs: one holder of a lease at a time, nobody for ever, and what fails is tried again."""

from __future__ import annotations

import threading

import pytest

from tests.support.patience import eventually
from tests.support.vaults import FakeClock, add_token, as_token, grant, opened_again, run_sql, write
from vault.jobs import Jobs
from vault.jobs.runner import CHORE_LEASE_US
from vault.model.principal import Principal
from vault.services import Services

LENGTH_US = 60_000_000


def take(vault: Services, holder: str, name: str = "purge") -> bool:
    return write(vault, lambda unit: unit.leases.take(name, holder, vault.clock(), LENGTH_US))


def test_a_lease_has_one_holder_until_it_lapses(vault: Services, clock: FakeClock) -> None:
    assert take(vault, "one")
    assert not take(vault, "two")
    assert take(vault, "two", "another")
    clock.advance(59)
    assert take(vault, "one")
    clock.advance(59)
    assert not take(vault, "two")
    clock.advance(1)
    assert take(vault, "two")
    assert not take(vault, "one")


def test_of_many_at_once_one_gets_the_lease(vault: Services) -> None:
    taken: list[bool] = []
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        taken.append(take(vault, f"worker-{number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [False] * 7 + [True]


def test_a_chore_is_done_by_one_worker_at_a_time(vault: Services, clock: FakeClock) -> None:
    done: list[str] = []

    def chore(_: Services) -> dict[str, int]:
        done.append("done")
        return {}

    with opened_again(vault, clock) as other:
        first, second = Jobs(vault)._chore("purge", chore), Jobs(other)._chore("purge", chore)
        first()
        second()
        assert done == ["done"]
        clock.advance(CHORE_LEASE_US / 1_000_000)
        second()
        assert done == ["done"] * 2


def test_looking_for_what_expires_takes_a_small_share_of_the_time(
    vault: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[float] = []
    now = [1000.0]

    def slow(_vault: Services, _worker_id: str) -> None:
        done.append(now[0])
        now[0] += 2.0

    monkeypatch.setattr("vault.jobs.runner.expire", slow)
    monkeypatch.setattr("vault.jobs.runner.time.monotonic", lambda: now[0])
    jobs = Jobs(vault)
    for _ in range(21):
        jobs._expire()
        now[0] += 10.0
    # Each look takes two seconds, so the next one comes a hundred seconds after its beginning.
    assert done == [1000.0, 1102.0, 1204.0]


def test_a_worker_that_ends_gives_its_leases_back_and_no_other_s(vault: Services, clock: FakeClock) -> None:
    jobs = Jobs(vault)
    for name in ("purge", "formats"):
        jobs._chore(name, lambda _: {})()
    assert take(vault, "other", "sign")
    assert not take(vault, "next", "formats")
    jobs.stop()
    assert [take(vault, "next", name) for name in ("purge", "formats", "sign")] == [True, True, False]


def test_a_job_that_runs_on_after_the_end_of_its_worker_keeps_its_lease(
    vault: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = Jobs(vault)
    jobs._chore("purge", lambda _: {})()
    ends = threading.Event()
    goes_on = threading.Thread(target=ends.wait, args=(60,))
    monkeypatch.setattr(goes_on, "join", lambda **_: None)
    jobs._threads.append(goes_on)
    goes_on.start()
    try:
        jobs.stop()
        assert not take(vault, "next")
    finally:
        ends.set()


def test_a_worker_is_listed_while_it_lives_and_writes_what_it_gathered_as_it_goes(
    vault: Services, ada: Principal
) -> None:
    token = add_token(vault, ada, grant("read", path="*"))
    jobs = Jobs(vault)
    jobs.start()
    try:
        assert eventually(lambda: run_sql(vault, "SELECT 1 FROM workers") != [])
        as_token(vault, token.secret)
    finally:
        jobs.stop()
    assert run_sql(vault, "SELECT 1 FROM workers") == []
    assert vault.tokens.tokens.get(ada, token.id).last_used_us == vault.clock()


def test_the_lock_is_seen_by_a_running_worker(vault: Services) -> None:
    jobs = Jobs(vault)
    jobs.start()
    try:
        run_sql(vault, "UPDATE lock_flag SET locked = true")
        assert eventually(lambda: vault.instance.locked)
        run_sql(vault, "UPDATE lock_flag SET locked = false")
        assert eventually(lambda: not vault.instance.locked)
    finally:
        jobs.stop()


def test_a_flush_that_fails_is_tried_again(vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    token = add_token(vault, ada, grant("read", path="*"))
    as_token(vault, token.secret)

    def fail(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(vault.touches, "_write", fail)
        with pytest.raises(RuntimeError):
            vault.touches.flush()
    vault.touches.flush()
    assert vault.tokens.tokens.get(ada, token.id).last_used_us == vault.clock()
