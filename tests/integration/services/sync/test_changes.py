"""The rows of the feed: each has the names that judging needs later, they are read in order, and old ones go."""

from __future__ import annotations

import pytest

from tests.support.bases import stand
from tests.support.vaults import HOST, FakeClock, add_environment, add_token, grant, patch, run_sql, write
from vault.errors import IntegrityError
from vault.jobs.purge import purge
from vault.model.clock import DAY_SECONDS
from vault.model.principal import Principal
from vault.services import Services
from vault.storage import ChangeRow, is_kept


def after(vault: Services, person: Principal, seq: int = 0, limit: int = 100) -> list[ChangeRow]:
    with vault.storage.read() as unit:
        return unit.changes.after(person.user_id, seq, limit)


def newest(vault: Services, person: Principal) -> int:
    with vault.storage.read() as unit:
        found = unit.changes.newest(person.user_id)
    assert found is not None
    return found


def told(change: ChangeRow) -> tuple[str, str | None, str | None]:
    return change.kind, change.old_name, change.new_name or None


def test_changes_come_in_order_after_a_number_and_a_page_at_a_time(
    vault: Services, ada: Principal, bob: Principal
) -> None:
    row = add_environment(vault, ada, "prod", A="1")
    add_environment(vault, bob, "prod", A="1")
    for number in range(5):
        patch(vault, ada, "prod", A=f"new {number}")
    found = after(vault, ada)
    assert [change.seq for change in found] == sorted(change.seq for change in found)
    assert {change.environment_id for change in found} == {row.id}
    assert [change.revision for change in found] == [None, 1, 2, 3, 4, 5, 6]
    assert after(vault, ada, found[2].seq, 2) == found[3:5]
    assert after(vault, ada, found[-1].seq) == []
    assert newest(vault, ada) == found[-1].seq
    # A number that no change has: tokens take numbers too.
    add_token(vault, ada, grant("read", environment="prod"))
    assert newest(vault, ada) > found[-1].seq


def test_the_newest_number_of_somebody_who_is_gone_is_none(vault: Services) -> None:
    with vault.storage.read() as unit:
        assert unit.changes.newest("00000000-0000-4000-8000-000000000000") is None


def test_a_rename_a_deletion_and_an_erasure_say_the_old_name(vault: Services, ada: Principal) -> None:
    environments = vault.environments.environments
    row = add_environment(vault, ada, "prod")
    write(vault, lambda unit: environments.change(unit, ada, "prod", {"description": "new"}))
    write(vault, lambda unit: environments.change(unit, ada, "prod", {"name": "prod"}))
    write(vault, lambda unit: environments.change(unit, ada, "prod", {"name": "live"}))
    write(vault, lambda unit: environments.delete(unit, ada, "live"))
    write(vault, lambda unit: environments.undelete(unit, ada, row.id, None))
    write(vault, lambda unit: environments.delete(unit, ada, "live"))
    write(vault, lambda unit: environments.undelete(unit, ada, row.id, "again"))
    write(vault, lambda unit: vault.vaultkv.metadata.erase(unit, ada, "again"))
    assert list(map(told, after(vault, ada))) == [
        ("environment.create", None, "prod"),
        ("environment.change", None, None),
        ("environment.change", None, None),
        ("environment.change", "prod", "live"),
        ("environment.delete", "live", None),
        ("environment.undelete", None, "live"),
        ("environment.delete", "live", None),
        ("environment.undelete", "live", "again"),
        ("environment.erase", "again", None),
    ]


def test_a_change_of_bases_a_deletion_and_an_erasure_say_the_former_bases(vault: Services, ada: Principal) -> None:
    vault.keys.upgrading.open(HOST)
    ids = [add_environment(vault, ada, f"base-{number}").id for number in range(8)]
    prod = add_environment(vault, ada, "prod")
    since = newest(vault, ada)
    stand(vault, ada, "prod", *ids)
    stand(vault, ada, "prod", *ids[:0:-1])
    write(vault, lambda unit: vault.environments.environments.delete(unit, ada, "prod"))
    write(vault, lambda unit: vault.environments.environments.undelete(unit, ada, prod.id, None))
    write(vault, lambda unit: vault.vaultkv.metadata.erase(unit, ada, "prod"))
    found = after(vault, ada, since)
    last = tuple(ids[:0:-1])
    assert [change.old_bases for change in found] == [(), tuple(ids), last, None, last]
    assert [change.old_name for change in found] == [None, None, "prod", None, "prod"]
    run_sql(vault, "UPDATE changes SET new_name = 'no ids' WHERE old_name = 'prod'")
    with pytest.raises(IntegrityError):
        _ = after(vault, ada, since)[-1].old_bases


@pytest.mark.parametrize(
    ("seq", "newest", "kept"),
    [(0, 0, True), (0, 10_000, True), (0, 10_001, False), (5, 4, False), (4, 4, True), (7, 10_008, False)],
)
def test_what_is_kept_after_a_number(seq: int, newest: int, kept: bool) -> None:
    assert is_kept(seq, newest) is kept


def test_whatever_is_kept_after_a_number_is_there_although_more_were_trimmed(
    vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.storage.rows.changes.CHANGES_MOST", 5)
    monkeypatch.setattr("vault.storage.rows.changes._LOOK_EVERY", 3)
    add_environment(vault, ada, "prod", A="1")
    last = 0
    for number in range(20):
        patch(vault, ada, "prod", A=f"new {number}")
        last = newest(vault, ada)
        for seq in range(last + 2):
            if is_kept(seq, last):
                assert [change.seq for change in after(vault, ada, seq)] == list(range(seq + 1, last + 1))
    assert not is_kept(last - 6, last)


def test_changes_go_a_day_after_the_last_cursor_that_needs_them(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    add_environment(vault, ada, "prod", A="1")
    clock.advance(31 * DAY_SECONDS)
    purge(vault)
    assert len(after(vault, ada)) == 2
    clock.advance(1)
    purge(vault)
    assert after(vault, ada) == []
    assert run_sql(vault, "SELECT 1 FROM changes WHERE user_id = :id", id=ada.user_id) == []
