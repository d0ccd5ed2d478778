"""Rotation of the master key: who is waited for, who is fenced, and what may be destroyed when."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import FreshDatabase
from tests.contract.opaque_provider import OpaqueProvider
from tests.support.rotating import LEASE_SECONDS, Worker, open_everything, opened_with, worker
from tests.support.vaults import (
    HOST,
    PASSWORD,
    FakeClock,
    add_environment,
    add_person,
    make_vault,
    opened_again,
    patch,
    run_sql,
    values,
    write,
)
from vault.app import open_vault
from vault.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    KeyProviderError,
    KeyProviderUnavailable,
    NotFound,
    Unavailable,
)
from vault.model.principal import Principal
from vault.services import Services

DAY = 86_400


def states(vault: Services) -> dict[int, str]:
    return {each.version: each.state for each in vault.keys.master.status(HOST).versions}


def rotated(vault: Services) -> int:
    version = vault.keys.master.rotate(HOST, wait_seconds=0)
    vault.keys.rewrapping.run(HOST)
    return version


def test_a_rotation_leaves_the_old_version_retiring_and_everything_opens(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    assert vault.keys.master.rotate(HOST, wait_seconds=0) == 2
    assert states(vault) == {1: "retiring", 2: "active"}
    assert vault.keys.rewrapping.run(HOST).done == 3
    assert [(each.version, each.user_keys) for each in vault.keys.master.status(HOST).versions] == [(1, 0), (2, 3)]
    with opened_again(vault) as again:
        assert values(again, ada, "prod") == {"A": "1"}
        assert open_everything(again) == 1


def test_only_operators_touch_keys(vault: Services, ada: Principal) -> None:
    master, rewrapping, people, system = (
        vault.keys.master,
        vault.keys.rewrapping,
        vault.keys.people,
        vault.keys.system,
    )
    calls: list[Callable[[], object]] = [
        lambda: master.status(ada),
        lambda: master.rotate(ada),
        lambda: master.retire(ada, 1),
        lambda: master.restore(ada, 1),
        lambda: master.destroy(ada, 1, now=True),
        lambda: master.finish_destroying(ada),
        lambda: rewrapping.run(ada),
        lambda: rewrapping.left(ada),
        lambda: people.rotate(ada, "ada"),
        lambda: people.rotate_by_age(ada, 1, 1),
        lambda: people.drop_idle(ada),
        lambda: system.rotate(ada),
        lambda: system.move(ada),
        lambda: system.drop_retired(ada),
        lambda: vault.keys.secrets.rotate(ada, 0),
        lambda: vault.keys.secrets.drop_overdue(ada),
        lambda: vault.keys.reseal.run(ada),
        lambda: vault.keys.reseal.status(ada),
    ]
    for call in calls:
        with pytest.raises(Forbidden):
            call()
    assert states(vault) == {1: "active"}


def test_a_living_worker_that_does_not_know_the_version_is_waited_for_and_named(vault: Services) -> None:
    with worker(vault) as other:
        with pytest.raises(Unavailable, match="process"):
            vault.keys.master.rotate(HOST, wait_seconds=0.2)
        assert states(vault) == {1: "active", 2: "pending"}
        other.learn()
        assert [each.knows_version for each in vault.keys.master.status(HOST).workers] == [2]
        # The same call goes on with the version that is pending.
        assert vault.keys.master.rotate(HOST, wait_seconds=0) == 2
    assert states(vault) == {1: "retiring", 2: "active"}


def test_a_worker_that_died_without_a_word_is_waited_for_until_its_lease_lapses(
    vault: Services, clock: FakeClock
) -> None:
    dead = Worker(open_vault(vault.settings, clock, as_worker=True))
    dead.learn()
    dead.die()
    with pytest.raises(Unavailable):
        vault.keys.master.rotate(HOST, wait_seconds=0)
    clock.advance(LEASE_SECONDS)
    assert vault.keys.master.rotate(HOST, wait_seconds=0) == 2


def test_a_worker_that_cannot_use_the_new_version_stops_the_flip(tmp_path: Path, database_url: str) -> None:
    vault = make_vault(tmp_path, database_url)
    opaque = OpaqueProvider()
    operator = opened_with(vault.settings, opaque)
    with worker(vault) as without:
        # It is not set up for the provider: it sees the version, and cannot prove that it can use it.
        with pytest.raises(Unavailable, match="cannot use the new key yet"):
            operator.keys.master.rotate(HOST, "opaque", wait_seconds=0)
        without.learn()
        with pytest.raises(Unavailable):
            operator.keys.master.rotate(HOST, "opaque", wait_seconds=0)
    assert states(operator) == {1: "active", 2: "pending"}
    with pytest.raises(Conflict, match="pending"):
        operator.keys.master.rotate(HOST, "file")
    operator.keys.master.destroy(HOST, 2)
    assert states(operator) == {1: "active", 2: "destroyed"}
    assert operator.keys.master.rotate(HOST, "file", wait_seconds=0) == 3
    operator.storage.close()
    vault.storage.close()


def test_a_stale_worker_writes_with_the_new_version_and_its_caller_sees_success(vault: Services) -> None:
    with opened_again(vault) as stale:
        assert rotated(vault) == 2
        grace = add_person(stale, "grace")
        add_environment(stale, grace, "prod", A="1")
    rows = run_sql(vault, "SELECT DISTINCT master_version FROM user_keys")
    assert [row.master_version for row in rows] == [2]
    assert values(vault, grace, "prod") == {"A": "1"}


def test_a_stale_worker_reads_what_was_rewrapped_under_a_version_that_it_has_not_heard_of(
    vault: Services, ada: Principal
) -> None:
    add_environment(vault, ada, "prod", A="1")
    with opened_again(vault) as stale:
        assert rotated(vault) == 2
        assert values(stale, ada, "prod") == {"A": "1"}


def test_an_account_in_flight_never_lands_under_the_old_version(vault: Services) -> None:
    # One transaction holds the fence; the flip waits for its end, or it for the flip's.
    begun, done = threading.Event(), threading.Event()
    flipped: list[int] = []

    def flip() -> None:
        begun.wait()
        flipped.append(rotated(vault))
        done.set()

    thread = threading.Thread(target=flip)
    thread.start()
    with vault.storage.write() as unit:
        vault.people.accounts.add(unit, HOST, "grace", PASSWORD)
        begun.set()
        assert not done.wait(0.3)
    thread.join()
    assert flipped == [2]
    assert [row[0] for row in run_sql(vault, "SELECT DISTINCT master_version FROM user_keys")] == [2]


def test_the_active_version_is_neither_retired_nor_destroyed(vault: Services) -> None:
    for call in (vault.keys.master.retire, lambda who, number: vault.keys.master.destroy(who, number, now=True)):
        with pytest.raises(Conflict, match="active"):
            call(HOST, 1)
    with pytest.raises(NotFound):
        vault.keys.master.destroy(HOST, 9, now=True)


def test_with_one_reference_left_nothing_is_retired_or_destroyed(vault: Services, ada: Principal) -> None:
    vault.keys.master.rotate(HOST, wait_seconds=0)
    for call in (vault.keys.master.retire, lambda who, number: vault.keys.master.destroy(who, number, now=True)):
        with pytest.raises(Conflict, match="still wrapped"):
            call(HOST, 1)
    # Even where the count is wrong, the foreign key is not.
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        run_sql(vault, "DELETE FROM master_keys WHERE version = 1")


def test_destroying_waits_for_its_time_and_then_the_provider_has_nothing_left(
    vault: Services, clock: FakeClock, ada: Principal
) -> None:
    rotated(vault)
    with pytest.raises(Conflict, match="retire 1"):
        vault.keys.master.destroy(HOST, 1)
    vault.keys.master.retire(HOST, 1)
    with pytest.raises(Conflict, match=r"7\.0 days"):
        vault.keys.master.destroy(HOST, 1)
    clock.advance(7 * DAY)
    vault.keys.master.destroy(HOST, 1)
    vault.keys.master.destroy(HOST, 1)
    assert states(vault) == {1: "destroyed", 2: "active"}
    assert '"destroyed"' in vault.settings.keyring.read_text()
    with opened_again(vault) as again:
        open_everything(again)


def test_a_retired_version_is_refused_by_its_provider_and_can_be_brought_back(vault: Services) -> None:
    rotated(vault)
    vault.keys.master.retire(HOST, 1)
    assert '"disabled"' in vault.settings.keyring.read_text()
    vault.keys.master.restore(HOST, 1)
    assert states(vault) == {1: "retiring", 2: "active"}
    assert '"disabled"' not in vault.settings.keyring.read_text()
    with pytest.raises(Conflict):
        vault.keys.master.restore(HOST, 2)


def test_moving_to_another_provider_is_a_rotation(tmp_path: Path, database_url: str) -> None:
    first = make_vault(tmp_path, database_url)
    ada = add_person(first)
    add_environment(first, ada, "prod", A="1")
    opaque = OpaqueProvider()
    vault = opened_with(first.settings, opaque)
    assert vault.keys.master.rotate(HOST, "opaque", wait_seconds=0) == 2
    vault.keys.rewrapping.run(HOST)
    patch(vault, ada, "prod", B="2")
    vault.keys.master.destroy(HOST, 1, now=True)
    again = opened_with(first.settings, opaque)
    assert values(again, ada, "prod") == {"A": "1", "B": "2"}
    assert open_everything(again) == 2
    assert [each.provider for each in again.keys.master.status(HOST).versions] == ["file", "opaque"]
    for each in (first, vault, again):
        each.storage.close()


def test_a_key_that_is_a_version_already_is_no_new_version(tmp_path: Path, database_url: str) -> None:
    # As where a setting names the key: the provider gives the same one each time.
    first = make_vault(tmp_path, database_url)
    opaque = OpaqueProvider()
    vault = opened_with(first.settings, opaque)
    assert vault.keys.master.rotate(HOST, "opaque", wait_seconds=0) == 2
    ref = next(iter(opaque._keys))
    opaque.create_version = lambda: ref  # type: ignore[method-assign] # The fault that is to be met.
    before = vault.keys.master.status(HOST)
    with pytest.raises(Conflict, match="is already version 2"):
        vault.keys.master.rotate(HOST, wait_seconds=0)
    vault.keys.master.rotate(HOST, "file", wait_seconds=0)
    vault.keys.rewrapping.run(HOST)
    vault.keys.master.destroy(HOST, 2, now=True)
    # Nor does one that was destroyed come again.
    with pytest.raises(Conflict, match="is already version 2"):
        vault.keys.master.rotate(HOST, "opaque", wait_seconds=0)
    assert len(before.versions) == 2
    assert [each.state for each in vault.keys.master.status(HOST).versions] == ["retiring", "destroyed", "active"]
    for each in (first, vault):
        each.storage.close()


def test_moving_to_a_passphrase_makes_its_file(tmp_path: Path, fresh_database: FreshDatabase) -> None:
    vault = make_vault(tmp_path, fresh_database("sqlite"), passphrase="correct horse battery staple moon")
    ada = add_person(vault)
    add_environment(vault, ada, "prod", A="1")
    vault.keys.master.rotate(HOST, "passphrase", wait_seconds=0)
    vault.keys.rewrapping.run(HOST)
    with opened_again(vault) as again:
        assert values(again, ada, "prod") == {"A": "1"}
    with pytest.raises(InvalidInput, match="'nonsense'"):
        vault.keys.master.rotate(HOST, "nonsense", wait_seconds=0)
    vault.storage.close()


def test_a_crash_before_the_provider_has_destroyed_is_finished_by_the_next_run(
    tmp_path: Path, database_url: str
) -> None:
    first = make_vault(tmp_path, database_url)
    opaque = OpaqueProvider()
    vault = opened_with(first.settings, opaque)
    vault.keys.master.rotate(HOST, "opaque", wait_seconds=0)
    vault.keys.master.rotate(HOST, "file", wait_seconds=0)
    vault.keys.rewrapping.run(HOST)
    opaque.failures = 1
    with pytest.raises(KeyProviderUnavailable):
        vault.keys.master.destroy(HOST, 2, now=True)
    assert states(vault)[2] == "being destroyed"
    assert vault.keys.master.finish_destroying(HOST) == 1
    assert states(vault)[2] == "destroyed"
    assert [key for key in opaque._keys.values() if key is not None] == []
    for each in (first, vault):
        each.storage.close()


def test_a_provider_that_is_away_while_a_version_is_made_changes_nothing(tmp_path: Path, database_url: str) -> None:
    first = make_vault(tmp_path, database_url)
    opaque = OpaqueProvider(failures=1)
    vault = opened_with(first.settings, opaque)
    with pytest.raises(KeyProviderUnavailable):
        vault.keys.master.rotate(HOST, "opaque", wait_seconds=0)
    assert states(vault) == {1: "active"}
    for each in (first, vault):
        each.storage.close()


def test_a_wrong_key_from_the_provider_is_never_used_to_write(tmp_path: Path, database_url: str) -> None:
    first = make_vault(tmp_path, database_url, key_cache_seconds=0)
    opaque = OpaqueProvider()
    vault = opened_with(first.settings, opaque)
    ada = add_person(vault)
    vault.keys.master.rotate(HOST, "opaque", wait_seconds=0)
    vault.keys.rewrapping.run(HOST)
    right = opaque.unwrap
    opaque.unwrap = lambda *_: bytes(32)  # type: ignore[method-assign] # The device goes mad.
    with pytest.raises(KeyProviderUnavailable, match="wrong key"):
        add_environment(vault, ada, "prod", A="1")
    with pytest.raises(KeyProviderError, match="could not unwrap"):
        write(vault, lambda unit: vault.people.accounts.add(unit, HOST, "grace", PASSWORD))
    vault.keys.master.rotate(HOST, "file", wait_seconds=0)
    with pytest.raises(KeyProviderUnavailable, match="wrong key"):
        vault.keys.rewrapping.run(HOST)
    opaque.unwrap = right  # type: ignore[method-assign]  # the device works again
    vault.keys.rewrapping.run(HOST)
    add_environment(vault, ada, "prod", A="1")
    assert open_everything(vault) == 1
    for each in (first, vault):
        each.storage.close()


def test_a_key_row_moved_to_another_version_is_refused(vault: Services, ada: Principal) -> None:
    vault.keys.master.rotate(HOST, wait_seconds=0)
    run_sql(vault, "UPDATE user_keys SET master_version = 2 WHERE owner_id IS NOT NULL")
    with opened_again(vault) as again, pytest.raises(Exception, match="not written by this vault"):
        open_everything(again)


def test_a_state_put_back_to_an_older_version_does_not_lead_a_worker_back(vault: Services) -> None:
    columns = "active_master_key_id, row_version, mac"
    (before,) = run_sql(vault, f"SELECT {columns} FROM vault_state")
    vault.keys.master.rotate(HOST, wait_seconds=0)
    with worker(vault) as other:
        run_sql(
            vault,
            "UPDATE vault_state SET active_master_key_id = :a, row_version = :b, mac = :c",
            **dict(zip("abc", before, strict=True)),
        )
        with pytest.raises(Exception, match="not written by this vault"), other.services.storage.read() as unit:
            other.services.instance.refresh(unit)
        assert other.services.instance.own_keys.active_master.version == 2
