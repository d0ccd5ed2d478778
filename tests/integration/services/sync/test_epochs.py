"""The epoch of the feed: a new vault, a restore, a promoted standby and the first worker after an upgrade begin one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.conftest import FreshDatabase
from tests.support.backups import backed_up, make, opened_at, restored
from tests.support.vaults import FakeClock, opened_again, run_sql
from vault.errors import Unavailable
from vault.model.principal import Principal
from vault.services import Services
from vault.storage import FeedEpoch


def present(vault: Services) -> FeedEpoch:
    with vault.storage.read() as unit:
        return vault.sync.epochs.present(unit)


def test_a_new_vault_has_an_epoch_and_every_worker_sees_the_same(vault: Services) -> None:
    with vault.storage.read() as unit:
        found = unit.feed.epoch()
    assert found is not None
    assert found == present(vault)
    assert (found.timeline == 0) == vault.storage.is_sqlite
    with opened_again(vault) as other:
        assert present(other) == found


def test_a_restore_begins_another_epoch_and_gives_everybody_a_mark(
    vault: Services, ada: Principal, bob: Principal, tmp_path: Path, fresh_database: FreshDatabase, clock: FakeClock
) -> None:
    with backed_up(vault, tmp_path) as backed:
        make(backed)
        url = fresh_database("sqlite" if vault.storage.is_sqlite else "postgresql", migrated=False)
        restored(backed, url, clock=clock)
        with opened_at(backed.settings, url, clock) as again:
            assert present(again).epoch != present(vault).epoch
            people = {row[0] for row in run_sql(again, "SELECT user_id FROM read_marks")}
    assert people == {ada.user_id, bob.user_id}


def test_the_first_who_finds_none_begins_one_and_all_others_take_it(vault: Services, ada: Principal) -> None:
    run_sql(vault, "DELETE FROM feed")
    run_sql(vault, "DELETE FROM read_marks")
    meet = threading.Barrier(4)
    found: list[FeedEpoch] = []

    def begin() -> None:
        meet.wait()
        vault.sync.epochs.begin_first()
        found.append(present(vault))

    with pytest.raises(Unavailable):
        present(vault)
    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert set(found) == {present(vault)}
    assert len(run_sql(vault, "SELECT 1 FROM read_marks")) == len(run_sql(vault, "SELECT 1 FROM users"))


def test_an_epoch_that_is_begun_again_is_another(vault: Services) -> None:
    before = present(vault)
    with vault.storage.write() as unit:
        unit.feed.begin(vault.clock())
    assert present(vault).epoch != before.epoch
    with vault.storage.write() as unit:
        unit.feed.begin_first(vault.clock())
    assert len(run_sql(vault, "SELECT 1 FROM feed")) == 1
