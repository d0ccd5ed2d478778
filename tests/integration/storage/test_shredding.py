"""What is shredded leaves a record of each of its keys, and nothing between two statements brings it back."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.patience import HANG_SECONDS
from tests.support.vaults import HOST, FakeClock, add_environment, opened_again, patch, run_sql, values, write
from vault.errors import IntegrityError, NotFound
from vault.jobs.purge import purge
from vault.model.principal import Principal
from vault.services import Services
from vault.storage.tables import destroyed_keys
from vault.storage.walks.shredding import Shredded, Shredding

DAY = 86_400


def keys_of(vault: Services, user_id: str) -> dict[str, tuple[str, str | None]]:
    """Kind and environment of every key of a person's, by its id."""
    data = run_sql(vault, "SELECT id, environment_id FROM data_keys WHERE owner_id = :id", id=user_id)
    own = run_sql(vault, "SELECT id FROM user_keys WHERE owner_id = :id", id=user_id)
    return {row[0]: ("data", row[1]) for row in data} | {row[0]: ("user", None) for row in own}


def recorded(vault: Services) -> list[Any]:
    with vault.storage.read() as unit:
        return unit.destroyed_keys.all(sa.select(destroyed_keys))


def test_every_key_of_a_person_is_recorded(vault: Services, ada: Principal, bob: Principal, clock: FakeClock) -> None:
    add_environment(vault, ada, "prod", A="1")
    patch(vault, ada, "prod", A="2")
    deleted = add_environment(vault, ada, "old", A="1")
    write(vault, lambda unit: vault.environments.environments.delete(unit, ada, deleted.id))
    add_environment(vault, bob, "prod", A="bob's")
    before, bobs = keys_of(vault, ada.user_id), keys_of(vault, bob.user_id)
    done = write(vault, lambda unit: unit.shredding.person(ada.user_id, clock()))
    assert done == Shredded(environments=2, revisions=3, data_keys=3, user_keys=1)
    rows = recorded(vault)
    assert {row.key_id: (row.kind, row.environment_id) for row in rows} == before
    assert {(row.owner_id, row.destroyed_us, row.confirmed_us) for row in rows} == {(ada.user_id, clock(), clock())}
    assert keys_of(vault, ada.user_id) == {}
    assert keys_of(vault, bob.user_id) == bobs
    assert values(vault, bob, "prod") == {"A": "bob's"}


def test_a_purge_records_the_keys_of_what_it_takes_in_several_steps(
    vault: Services, ada: Principal, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.services.purging._SHRED_AT_ONCE", 2)
    monkeypatch.setattr("vault.storage.walks.shredding.IDS_AT_ONCE", 1)
    rows = [add_environment(vault, ada, f"env-{number}", A="1") for number in range(5)]
    for row in rows:
        write(vault, lambda unit, row=row: vault.environments.environments.delete(unit, ada, row.id))  # type: ignore[misc]  # mypy infers no lambda with a default
    clock.advance(31 * DAY)
    assert purge(vault)["environments"] == 5
    assert {row.environment_id for row in recorded(vault)} == {row.id for row in rows}
    assert vault.audit.verifier.verify().faults == []


def test_a_vault_client_s_final_deletion_is_recorded(vault: Services, ada: Principal) -> None:
    made = add_environment(vault, ada, "prod", A="1")
    write(vault, lambda unit: vault.vaultkv.metadata.erase(unit, ada, "prod"))
    assert [(row.kind, row.owner_id, row.environment_id) for row in recorded(vault)] == [("data", ada.user_id, made.id)]
    assert vault.audit.verifier.verify().faults == []


def test_a_key_that_another_has_replaced_is_not_recorded(vault: Services, ada: Principal) -> None:
    # Or a restore would drop it, and with it what an older backup holds of somebody who is not erased.
    add_environment(vault, ada, "prod", A="1")
    with opened_again(vault) as other:
        other.keys.people.rotate(HOST, "ada")
        other.keys.reseal.run(HOST)
    vault.instance.learn()
    assert recorded(vault) == []
    assert values(vault, ada, "prod") == {"A": "1"}


def test_what_is_shredded_and_undeleted_at_once_is_whole_or_gone(
    vault: Services, ada: Principal, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = add_environment(vault, ada, "prod", A="1")
    write(vault, lambda unit: vault.environments.environments.delete(unit, ada, row.id))
    clock.advance(31 * DAY)
    start = threading.Event()
    outcome: list[str] = []
    shred_some = Shredding._shred_some

    def slowly(shredding: Shredding, *arguments: Any) -> Shredded:
        start.set()
        time.sleep(0.3)
        return shred_some(shredding, *arguments)

    monkeypatch.setattr(Shredding, "_shred_some", slowly)

    def undelete() -> None:
        start.wait(HANG_SECONDS)
        try:
            write(vault, lambda unit: vault.environments.environments.undelete(unit, ada, row.id, None))
            outcome.append("undeleted")
        except NotFound:
            outcome.append("gone")

    thread = threading.Thread(target=undelete)
    thread.start()
    with vault.storage.write() as unit:
        unit.shredding.deleted_before(clock() - 30 * DAY * 1_000_000, clock(), 10)
    thread.join(HANG_SECONDS)
    assert outcome == ["gone"]
    assert run_sql(vault, "SELECT id FROM environments WHERE id = :id", id=row.id) == []


def test_a_row_that_was_tampered_with_goes_too(vault: Services, ada: Principal) -> None:
    row = add_environment(vault, ada, "prod", A="1")
    run_sql(vault, "UPDATE environments SET name = 'forged' WHERE id = :id", id=row.id)
    with pytest.raises(IntegrityError):
        values(vault, ada, row.id)
    write(vault, lambda unit: unit.shredding.person(ada.user_id, 1))
    assert run_sql(vault, "SELECT id FROM environments WHERE id = :id", id=row.id) == []


def test_nothing_is_recorded_where_nothing_is_stored(vault: Services, ada: Principal, clock: FakeClock) -> None:
    add_environment(vault, ada, "prod", A="1")
    with vault.storage.write() as unit:
        unit.shredding.person(ada.user_id, clock())
        unit.abandon()
    assert recorded(vault) == []
    assert values(vault, ada, "prod") == {"A": "1"}
