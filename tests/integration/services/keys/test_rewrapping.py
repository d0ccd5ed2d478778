"""Rewrapping: nothing lost, nothing done twice, whoever dies, writes or rewraps beside it."""

from __future__ import annotations

import random
import threading
import time

import pytest

from tests.support.crowds import add_crowd
from tests.support.patience import HANG_SECONDS
from tests.support.rotating import kill_somewhere, open_everything, start_command
from tests.support.vaults import HOST, PASSWORD, add_environment, add_person, opened_again, patch, run_sql, values
from vault.errors import MacError
from vault.jobs.rewrap import rewrap
from vault.model.principal import Principal
from vault.services import Services
from vault.services.pace import Pace

CROWD = 2000


@pytest.fixture
def crowded(vault: Services) -> Services:
    """A vault with many accounts, whose keys are all under the version of before."""
    add_crowd(vault, CROWD)
    vault.keys.master.rotate(HOST, wait_seconds=0)
    return vault


def left(vault: Services) -> int:
    return vault.keys.rewrapping.left(HOST)


def generations(vault: Services) -> dict[int, int]:
    rows = run_sql(vault, "SELECT generation, COUNT(*) FROM user_keys GROUP BY generation")
    return {row[0]: row[1] for row in rows}


# On the other database, and more often: tests/soak/test_rotation.py.
@pytest.mark.parametrize("vault", ["sqlite"], indirect=True)
def test_killed_at_random_moments_it_resumes_and_does_nothing_twice(crowded: Services, ada: Principal) -> None:
    words = ("keys", "rewrap", "--max-per-second", "1500")
    killed = kill_somewhere(crowded, words, lambda: left(crowded), times=3, chance=random.Random(7))
    assert killed >= 1
    assert 0 < left(crowded) < CROWD
    process = start_command(crowded, "keys", "rewrap")
    assert process.communicate(timeout=HANG_SECONDS)[1].endswith(b"which is active, 0 under older ones.\n")
    assert left(crowded) == 0
    # The three that the vault was made with are among them.
    assert generations(crowded) == {2: CROWD + 3}
    with opened_again(crowded) as again:
        open_everything(again)


def test_two_at_once_share_the_work(crowded: Services) -> None:
    done: list[int] = []
    with opened_again(crowded) as other:
        threads = [
            threading.Thread(target=lambda each=each: done.append(each.keys.rewrapping.run(HOST, Pace(20_000)).done))
            for each in (crowded, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(done) == CROWD + 3
    assert generations(crowded) == {2: CROWD + 3}


def test_it_runs_beside_readers_and_writers_that_notice_nothing(crowded: Services, ada: Principal) -> None:
    add_environment(crowded, ada, "prod", A="0")
    ends, failures, reads, writes = threading.Event(), [], [0], [0]

    def read() -> None:
        while not ends.is_set():
            try:
                reads[0] += values(crowded, ada, "prod")["A"] != ""
            except Exception as error:
                failures.append(error)

    def write() -> None:
        while not ends.is_set():
            try:
                writes[0] += 1
                patch(crowded, ada, "prod", A=str(writes[0]))
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=work) for work in (read, write)]
    for thread in threads:
        thread.start()
    with opened_again(crowded) as other:
        assert other.keys.rewrapping.run(HOST, Pace(3000)).done == CROWD + 3
    ends.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert min(reads[0], writes[0]) > 0
    assert left(crowded) == 0
    assert values(crowded, ada, "prod") == {"A": str(writes[0])}


def test_a_pace_is_kept(crowded: Services) -> None:
    start = time.monotonic()
    done = crowded.keys.rewrapping.run(HOST, Pace(per_second=400, seconds=0.5)).done
    assert done / (time.monotonic() - start) <= 420
    assert 0 < done < CROWD


def test_whoever_watches_is_told_of_every_step(crowded: Services) -> None:
    told: list[tuple[int, int]] = []
    crowded.keys.rewrapping.run(HOST, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, CROWD + 3)
    assert told[-1] == (CROWD + 3, CROWD + 3)
    assert sorted(told) == told
    assert len(told) > 4


def test_a_rotation_in_its_midst_leaves_nothing_behind(crowded: Services) -> None:
    crowded.keys.rewrapping.run(HOST, Pace(2000, 0.3))
    crowded.keys.master.rotate(HOST, wait_seconds=0)
    assert left(crowded) == CROWD + 3
    crowded.keys.rewrapping.run(HOST)
    assert [each.user_keys for each in crowded.keys.master.status(HOST).versions] == [0, 0, CROWD + 3]


def test_the_job_of_a_worker_moves_what_nobody_has_moved(vault: Services, ada: Principal) -> None:
    vault.keys.master.rotate(HOST, wait_seconds=0)
    assert rewrap(vault) == {"rewrapped": 3, "destroyed": 0}
    assert left(vault) == 0


def test_a_key_that_does_not_open_is_named_and_holds_no_other_back(vault: Services, ada: Principal) -> None:
    bob_key = run_sql(vault, "SELECT id FROM user_keys WHERE owner_id <> :ada", ada=ada.user_id)[0][0]
    with vault.storage.write() as unit:
        row = unit.user_keys.by_id(bob_key)
        assert row is not None
        # A device that has lost its memory of one key; the row itself is the vault's own.
        unit.user_keys.change(row, blob=row.blob[:-1] + bytes([row.blob[-1] ^ 1]))
    vault.keys.master.rotate(HOST, wait_seconds=0)
    found = vault.keys.rewrapping.run(HOST)
    assert (found.done, found.broken) == (2, (bob_key,))


def test_a_row_that_somebody_else_wrote_is_not_rewrapped(vault: Services, ada: Principal) -> None:
    vault.keys.master.rotate(HOST, wait_seconds=0)
    run_sql(vault, "UPDATE user_keys SET created_us = created_us + 1 WHERE owner_id = :ada", ada=ada.user_id)
    with pytest.raises(MacError):
        vault.keys.rewrapping.run(HOST)


def test_an_account_that_goes_or_comes_meanwhile_is_no_trouble(crowded: Services) -> None:
    steps = 0

    def meddle(_done: int, _total: int) -> None:
        nonlocal steps
        steps += 1
        if steps == 2:
            run_sql(crowded, "DELETE FROM users WHERE name LIKE 'crowd-1%'")
            with crowded.storage.write() as unit:
                crowded.people.accounts.add(unit, HOST, "grace", PASSWORD)

    crowded.keys.rewrapping.run(HOST, progress=meddle)
    assert left(crowded) == 0
    add_person(crowded, "late")
    assert left(crowded) == 0
