"""Rotation beneath the master key: users' keys, data keys, the system key, by hand and by age."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.support.rotating import open_everything, worker
from tests.support.vaults import (
    ADDRESS,
    HOST,
    PASSWORD,
    FakeClock,
    add_environment,
    as_session,
    log_in,
    opened_again,
    patch,
    run_sql,
    values,
    write,
)
from vault.errors import NotFound, Unavailable
from vault.jobs.rotate_by_age import rotate_by_age
from vault.model.principal import Principal
from vault.services import Services
from vault.services.keys.system import KEPT_US

DAY = 86_400


def one(vault: Services, sql: str, **parameters: Any) -> Any:
    return run_sql(vault, sql, **parameters)[0][0]


def filled(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    patch(vault, ada, "prod", A="2")
    write(vault, lambda unit: vault.environments.environments.change(unit, ada, "prod", {"description": "the shop"}))


def test_a_new_user_key_takes_the_place_of_the_old_one(vault: Services, ada: Principal) -> None:
    filled(vault, ada)
    before = run_sql(vault, "SELECT id FROM user_keys WHERE owner_id = :id", id=ada.user_id)
    with opened_again(vault) as other:
        assert values(other, ada, "prod") == {"A": "2"}
        vault.keys.people.rotate(HOST, " ADA")
        assert values(other, ada, "prod") == {"A": "2"}
        patch(other, ada, "prod", B="3")
    after = run_sql(vault, "SELECT id FROM user_keys WHERE owner_id = :id", id=ada.user_id)
    assert len(after) == 1
    assert after != before
    with opened_again(vault) as again:
        assert open_everything(again) == 3
    with pytest.raises(NotFound):
        vault.keys.people.rotate(HOST, "nobody")


def test_a_new_data_key_seals_what_comes_and_the_old_one_goes_with_its_last_revision(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    filled(vault, ada)
    clock.advance(31 * DAY)
    # Prod's, and those of the globals of ada and bob.
    assert vault.keys.people.rotate_by_age(HOST, 0, 30) == {"user_keys": 0, "data_keys": 3}
    assert vault.keys.people.rotate_by_age(HOST, 0, 30) == {"user_keys": 0, "data_keys": 0}
    patch(vault, ada, "prod", A="3")
    assert one(vault, "SELECT COUNT(DISTINCT data_key_id) FROM revisions") == 2
    assert vault.keys.people.drop_idle(HOST) == 2
    assert open_everything(vault) == 3
    assert vault.environments.environments.get(ada, "prod").description == "the shop"
    write(vault, lambda unit: vault.environments.environments.change(unit, ada, "prod", {"max_versions": 1}))
    assert vault.keys.people.drop_idle(HOST) == 1
    assert vault.environments.environments.get(ada, "prod").description == "the shop"
    assert open_everything(vault) == 1


def test_user_keys_rotate_by_age_where_that_is_set(vault: Services, ada: Principal, clock: FakeClock) -> None:
    filled(vault, ada)
    with opened_again(vault, clock, rotate_user_keys_days=90, rotate_system_key_days=90) as other:
        assert rotate_by_age(other)["user_keys"] == 0
        clock.advance(91 * DAY)
        done = rotate_by_age(other)
        assert (done["user_keys"], done["system_keys"]) == (2, 1)
        done = rotate_by_age(other)
        assert (done["user_keys"], done["system_keys"]) == (0, 0)
    assert rotate_by_age(vault)["user_keys"] == 0
    with opened_again(vault) as again:
        assert open_everything(again) == 2


def test_a_new_user_key_beside_writers_loses_nothing(vault: Services, ada: Principal) -> None:
    filled(vault, ada)
    ends, failures, written = threading.Event(), [], [0]

    def work() -> None:
        while not ends.is_set():
            try:
                patch(vault, ada, "prod", A=str(written[0] + 1))
                written[0] += 1
                assert vault.environments.history.get(ada, "prod", written[0] + 2).variables is not None
                assert vault.environments.variables.read(ada, "prod").revision is not None
            except Exception as error:
                failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    with opened_again(vault) as other:
        for _ in range(8):
            other.keys.people.rotate(HOST, "ada")
            for row in run_sql(other, "SELECT id FROM data_keys WHERE state = 'active'"):
                with other.storage.read() as unit:
                    key = unit.data_keys.by_id(row.id)
                assert key is not None
                other.keys.people.rotate_environment(HOST, key)
            other.keys.people.drop_idle(HOST)
    ends.set()
    thread.join()
    assert failures == []
    assert written[0] > 0
    with opened_again(vault) as again:
        assert values(again, ada, "prod") == {"A": str(written[0])}
        open_everything(again)


def test_a_new_system_key_is_learned_before_it_is_used(vault: Services, ada: Principal) -> None:
    with worker(vault) as other:
        with pytest.raises(Unavailable):
            vault.keys.system.rotate(HOST, wait_seconds=0)
        old = other.services.instance.system_key_id
        other.learn()
        with pytest.raises(Unavailable):
            # It is active now; that nobody seals under the old one any more is still to be seen.
            vault.keys.system.rotate(HOST, wait_seconds=0)
        assert vault.instance.system_key_id != old
        # What the worker has not heard of yet it learns when it meets it.
        session = log_in(vault, "ada")
        assert as_session(other.services, session.secret).user_id == ada.user_id
        other.learn()
        assert other.services.instance.system_key_id == vault.instance.system_key_id
        assert vault.keys.system.move(HOST) == 2
        assert other.services.people.accounts.authenticate("ada", PASSWORD, ADDRESS).id == ada.user_id


def test_a_retired_system_key_stays_while_anything_needs_it(vault: Services, ada: Principal, clock: FakeClock) -> None:
    vault.keys.system.rotate(HOST, wait_seconds=0)
    assert one(vault, "SELECT COUNT(DISTINCT user_key_id) FROM credentials") == 1
    assert vault.keys.system.drop_retired(HOST) == 0
    clock.advance(KEPT_US / 1_000_000 + 1)
    assert vault.keys.system.drop_retired(HOST) == 1
    assert one(vault, "SELECT COUNT(*) FROM user_keys WHERE owner_id IS NULL") == 1
    with opened_again(vault) as again:
        assert again.people.accounts.authenticate("ada", PASSWORD, ADDRESS).id == ada.user_id


def test_the_system_key_moves_with_the_master_key_and_stays_the_same_key(vault: Services, ada: Principal) -> None:
    before = vault.instance.own_keys.system_key
    vault.keys.master.rotate(HOST, wait_seconds=0)
    vault.keys.rewrapping.run(HOST)
    vault.keys.master.destroy(HOST, 1, now=True)
    with opened_again(vault) as again:
        assert again.instance.own_keys.system_key == before
        assert again.people.accounts.authenticate("ada", PASSWORD, ADDRESS).id == ada.user_id
