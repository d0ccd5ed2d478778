"""Transactions: whole or not at all, what runs afterwards, and two that wait for each other."""

from __future__ import annotations

import threading

import pytest

from tests.support.vaults import add_environment, run_sql
from vault.errors import DatabaseUnavailable, NameTaken, VaultLocked
from vault.model.principal import Principal
from vault.services import Services
from vault.storage import Stale, Uncommitted, UnitOfWork


def test_a_unit_of_work_that_fails_stores_nothing_and_runs_nothing_after(vault: Services, ada: Principal) -> None:
    ran: list[str] = []

    def fail() -> None:
        with vault.storage.write() as unit:
            vault.environments.environments.create(unit, ada, "prod")
            unit.after_commit(lambda: ran.append("after"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert vault.environments.environments.list(ada, limit=10) == []
    assert run_sql(vault, "SELECT 1 FROM audit_events WHERE action = 'environment.create'") == []
    assert ran == []


def test_an_abandoned_unit_of_work_stores_nothing_and_runs_nothing_after(vault: Services, ada: Principal) -> None:
    ran: list[str] = []
    with vault.storage.write() as unit:
        vault.environments.environments.create(unit, ada, "prod")
        unit.after_commit(lambda: ran.append("after"))
        unit.abandon()
    assert vault.environments.environments.list(ada, limit=10) == []
    assert ran == []


def test_what_runs_afterwards_sees_what_was_stored(vault: Services, ada: Principal) -> None:
    seen: list[int] = []
    with vault.storage.write() as unit:
        vault.environments.environments.create(unit, ada, "prod")
        unit.after_commit(lambda: seen.append(len(vault.environments.environments.list(ada, limit=10))))
    assert seen == [1]


def test_two_at_once_with_one_name_make_one(vault: Services, ada: Principal) -> None:
    outcomes: list[object] = []
    start = threading.Barrier(6)

    def create() -> None:
        start.wait()
        try:
            add_environment(vault, ada, "prod", A="1")
            outcomes.append("made")
        except NameTaken as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == sorted(["made"] + [str(NameTaken)] * 5)


def test_a_deadlock_is_told_as_work_to_run_again(vault: Services, ada: Principal, bob: Principal) -> None:
    if vault.storage.is_sqlite:
        # Its one writer at a time cannot wait for another.
        return
    outcomes: list[str] = []
    meet = threading.Barrier(2)

    def work(first: str, second: str) -> None:
        try:
            with vault.storage.write() as unit:
                unit.users.next_change(first)
                meet.wait()
                unit.users.next_change(second)
            outcomes.append("stored")
        except Stale:
            outcomes.append("again")

    threads = [
        threading.Thread(target=work, args=pair) for pair in ((ada.user_id, bob.user_id), (bob.user_id, ada.user_id))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["again", "stored"]


def test_the_database_gone_and_back_is_survived_without_a_restart(
    vault: Services, ada: Principal, request: pytest.FixtureRequest
) -> None:
    if vault.storage.is_sqlite:
        return
    add_environment(vault, ada, "prod", A="1")
    server = request.getfixturevalue("postgres")
    # In good order: this server writes without fsync, and a crash would lose what was just stored.
    server.stop()
    with pytest.raises(DatabaseUnavailable):
        vault.environments.variables.read(ada, "prod")
    with pytest.raises(DatabaseUnavailable), vault.storage.write():
        pass
    server.start()
    assert vault.environments.variables.read(ada, "prod").revision == 1
    add_environment(vault, ada, "dev", A="1")


def test_an_uncommitted_transaction_is_read_as_if_it_were_stored(vault: Services, ada: Principal) -> None:
    with vault.storage.write() as unit:
        row = vault.environments.environments.create(unit, ada, "prod")
        view = Uncommitted(vault.storage.url, unit)
        assert (view.is_sqlite, view.clock) == (vault.storage.is_sqlite, vault.storage.clock)
        view.signer = vault.storage.signer
        with view.read() as inside:
            found = inside.environments.by_id(ada.user_id, row.id)
        assert found is not None
        unit.abandon()
    with vault.storage.read() as outside:
        assert outside.environments.by_id(ada.user_id, row.id) is None


def test_an_uncommitted_transaction_has_no_signer_until_its_vault_is_opened(vault: Services, ada: Principal) -> None:
    with vault.storage.write() as unit:
        view = Uncommitted(vault.storage.url, unit)
        with view.read() as inside, pytest.raises(VaultLocked):
            inside.environments.by_id(ada.user_id, "x")


def test_a_thread_has_one_transaction_at_a_time(vault: Services, ada: Principal) -> None:
    with vault.storage.write() as unit:
        vault.environments.environments.create(unit, ada, "prod")
        with pytest.raises(RuntimeError, match="a transaction already"), vault.storage.write():
            raise AssertionError("It must not begin.")
        with pytest.raises(RuntimeError, match="a transaction already"):
            vault.storage.transaction(lambda unit: unit.users.count())
        # Another vault's storage is another matter, and so is a view for reading.
        with vault.storage.read() as view:
            assert view.users.count() == 2
    # The first was not disturbed, and the next may begin, also after one that failed.
    assert [row.name for row in vault.environments.environments.list(ada, limit=10)] == ["prod"]
    with pytest.raises(ValueError, match="no"), vault.storage.write():
        raise ValueError("no")
    assert vault.storage.transaction(lambda unit: unit.users.count()) == 2


def test_what_runs_after_a_commit_may_open_a_transaction(vault: Services) -> None:
    counts: list[int] = []
    with vault.storage.write() as unit:
        unit.after_commit(lambda: counts.append(vault.storage.transaction(lambda unit: unit.users.count())))
    assert counts == [2]


def test_a_transaction_passes_arguments_on(vault: Services) -> None:
    def named(unit: UnitOfWork, name: str, *, lock: bool = False) -> bool:
        return unit.users.by_name(name) is not None and lock

    assert vault.storage.transaction(named, "ada", lock=True)
