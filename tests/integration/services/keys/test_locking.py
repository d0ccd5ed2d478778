"""Lock and unlock: every key is gone within a second, and a vault without its provider is locked too."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.opaque_provider import OpaqueProvider
from tests.support.patience import eventually, in_time
from tests.support.rotating import Worker, opened_with, worker
from tests.support.vaults import (
    ADDRESS,
    HOST,
    PASSWORD,
    add_environment,
    add_person,
    add_token,
    as_token,
    grant,
    make_vault,
    opened_again,
    patch,
    run_sql,
    values,
)
from vault.app import open_vault
from vault.errors import Forbidden, KeyProviderUnavailable, VaultLocked
from vault.jobs import Jobs
from vault.model.principal import Principal
from vault.services import Services
from vault.services.keys.locking import lock, unlock


def is_locked(vault: Services, ada: Principal) -> bool:
    try:
        values(vault, ada, "prod")
    except VaultLocked:
        return True
    return False


def test_a_locked_worker_holds_no_key_and_refuses_everything(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    token = add_token(vault, ada, grant("read", path="*")).secret
    with worker(vault) as other:
        assert values(other.services, ada, "prod") == {"A": "1"}
        assert lock(vault.storage, HOST).changed
        assert not lock(vault.storage, HOST).changed
        other.watch()
        instance = other.services.instance
        assert instance._keys is None
        assert instance.keyring._cache._entries == {}
        assert other.services.storage.signer is None
        calls: list[Callable[[], object]] = [
            lambda: values(other.services, ada, "prod"),
            lambda: as_token(other.services, token),
            lambda: other.services.people.accounts.authenticate("ada", PASSWORD, ADDRESS),
            lambda: patch(other.services, ada, "prod", A="2"),
            lambda: other.services.environments.variables.read(ada, "prod"),
        ]
        for call in calls:
            with pytest.raises(VaultLocked):
                call()
        other.learn()
        assert instance.locked
        unlock(vault.storage, HOST)
        other.learn()
        assert values(other.services, ada, "prod") == {"A": "1"}
        assert as_token(other.services, token).user_id == ada.user_id


def test_only_operators_lock_and_unlock(vault: Services, ada: Principal) -> None:
    for call in (lock, unlock):
        with pytest.raises(Forbidden):
            call(vault.storage, ada)
    assert [row.locked for row in run_sql(vault, "SELECT locked FROM lock_flag")] in ([0], [False])


def test_both_are_in_the_audit(vault: Services) -> None:
    lock(vault.storage, HOST)
    unlock(vault.storage, HOST)
    rows = run_sql(vault, "SELECT actor, action FROM audit_events WHERE action LIKE 'vault.%lock' ORDER BY at_us")
    assert [tuple(row) for row in rows] == [("host:test", "vault.lock"), ("host:test", "vault.unlock")]


def test_every_running_worker_is_locked_within_a_second_without_redis(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    running = [open_vault(vault.settings, as_worker=True) for _ in range(2)]
    jobs = [Jobs(each) for each in running]
    for each in jobs:
        each.start()
    try:
        lock(vault.storage, HOST)
        start = time.monotonic()
        assert eventually(lambda: all(is_locked(each, ada) for each in running))
        # Half a second between two looks.
        assert in_time(time.monotonic() - start, 1.5)
        unlock(vault.storage, HOST)
        assert eventually(lambda: not any(is_locked(each, ada) for each in running))
    finally:
        for one, its_jobs in zip(running, jobs, strict=True):
            its_jobs.stop()
            one.storage.close()


def test_keys_rotate_while_the_vault_is_locked(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    with worker(vault) as other:
        lock(vault.storage, HOST)
        other.learn()
        other._jobs._beat()
        # Whoever holds no key learns all anew when it opens: nobody waits for it.
        assert [each.is_locked for each in vault.keys.master.status(HOST).workers] == [True]
        with opened_again(vault) as host:
            assert host.keys.master.rotate(HOST, wait_seconds=0) == 2
            host.keys.rewrapping.run(HOST)
        unlock(vault.storage, HOST)
        other.learn()
        assert other.services.instance.own_keys.active_master.version == 2
        assert values(other.services, ada, "prod") == {"A": "1"}


def test_without_its_provider_a_vault_comes_up_locked_and_unlocks_by_itself(tmp_path: Path, database_url: str) -> None:
    first = make_vault(tmp_path, database_url)
    ada = add_person(first)
    add_environment(first, ada, "prod", A="1")
    opaque = OpaqueProvider()
    moved = opened_with(first.settings, opaque)
    moved.keys.master.rotate(HOST, "opaque", wait_seconds=0)
    moved.keys.rewrapping.run(HOST)
    opaque.failures = 2
    with pytest.raises(KeyProviderUnavailable):
        opened_with(first.settings, opaque)
    late = Worker(opened_with(first.settings, opaque, as_worker=True))
    assert is_locked(late.services, ada)
    late.learn()
    assert values(late.services, ada, "prod") == {"A": "1"}
    late.leave()
    for each in (first, moved):
        each.storage.close()


def test_a_lock_that_comes_while_keys_are_learned_wins(tmp_path: Path, database_url: str) -> None:
    first = make_vault(tmp_path, database_url)
    opaque = OpaqueProvider()
    moved = opened_with(first.settings, opaque)
    moved.keys.master.rotate(HOST, "opaque", wait_seconds=0)
    moved.keys.rewrapping.run(HOST)
    late = Worker(opened_with(first.settings, opaque, as_worker=True))
    lock(first.storage, HOST)
    late.watch()
    unlock(first.storage, HOST)

    def lock_meanwhile() -> None:
        opaque.before = lambda: None
        lock(first.storage, HOST)
        late.watch()

    opaque.before = lock_meanwhile
    late.learn()
    assert late.services.instance._keys is None
    late.leave()
    for each in (first, moved):
        each.storage.close()
