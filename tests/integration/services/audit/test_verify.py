"""`audit verify` against whoever can write to the database: each fault is named."""

from __future__ import annotations

import pytest

from tests.integration.services.tampering import copy_of, put_back, put_back_row
from tests.support.patience import in_time
from tests.support.vaults import (
    HOST,
    FakeClock,
    add_environment,
    add_token,
    as_token,
    change_password,
    grant,
    opened_again,
    patch,
    run_sql,
    values,
    write,
)
from vault.errors import InvalidInput
from vault.jobs.purge import purge
from vault.model.principal import Principal
from vault.services import Services
from vault.services.audit import VerifyReport

EVENTS = 40


@pytest.fixture(autouse=True)
def trail(vault: Services, ada: Principal) -> None:
    """The tree has more than `EVENTS` events, most of them reads."""
    add_environment(vault, ada, "prod", A="1", B="2")
    reader = as_token(vault, add_token(vault, ada, grant("read", environment="prod")).secret)
    for _ in range(EVENTS):
        values(vault, reader, "prod")
    settle(vault)


def settle(vault: Services) -> None:
    """Give everything its place."""
    vault.audit.reads.drain()
    with vault.storage.write() as unit:
        vault.audit.tree.sequence(unit)


def checkpoint(vault: Services) -> str:
    with vault.storage.read() as unit:
        return vault.audit.tree.checkpoint(unit)


def verify(vault: Services, note: str | None = None) -> VerifyReport:
    return vault.audit.verifier.verify(note)


def fault(vault: Services, note: str | None = None) -> str:
    """The first thing that is wrong."""
    faults = verify(vault, note).faults
    assert faults, "Nothing was found."
    return faults[0]


def test_pages_cover_every_place_also_where_many_are_missing(vault: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.storage.rows.audit._BATCH", 7)
    assert verify(vault).faults == []
    run_sql(vault, "DELETE FROM audit_events WHERE sequence BETWEEN 5 AND 30")
    with vault.storage.read() as unit:
        places = [row[-3] for rows in unit.audit_events.in_order() for row in rows]
    assert places == [*range(5), *range(31, verify(vault).size)]


@pytest.mark.parametrize("place", [2**40, 2**63 - 2])
def test_an_event_that_was_moved_far_away_is_named_at_once(vault: Services, place: int) -> None:
    last = verify(vault).size - 1
    run_sql(vault, "UPDATE audit_events SET sequence = :place WHERE sequence = :last", place=place, last=last)
    report = verify(vault)
    assert in_time(report.seconds, 10)
    assert any(f"Event {last} is missing." in fault for fault in report.faults)
    assert any(f"Event {place} is beyond the head" in fault for fault in report.faults)


def test_a_whole_audit_verifies(vault: Services) -> None:
    report = verify(vault, checkpoint(vault))
    assert report.faults == []
    assert report.size > EVENTS
    assert report.rows > 10


def test_events_without_a_place_yet_are_no_fault(vault: Services, ada: Principal) -> None:
    patch(vault, ada, "prod", A="3")
    report = verify(vault)
    assert (report.faults, report.waiting) == ([], 1)


def test_an_edited_event_is_named(vault: Services, subtests: pytest.Subtests) -> None:
    before = copy_of(vault, "audit_events")
    changes = ["result = 'refused'", "revision = 9", "actor = 'nobody'", "at_us = at_us + 1", "user_id = NULL"]
    for change in [*changes, "details = '{}'", "rows = '[]'", "request_id = 'x'", "blob_sha256 = 'x'"]:
        with subtests.test(change):
            run_sql(vault, f"UPDATE audit_events SET {change} WHERE sequence = 20")
            assert fault(vault).startswith("Event 20 ")
            assert "not as it was written" in fault(vault)
        put_back(vault, before)


def test_the_first_of_several_edited_events_is_named(vault: Services) -> None:
    run_sql(vault, "UPDATE audit_events SET result = 'refused' WHERE sequence IN (30, 11, 25)")
    assert fault(vault).startswith("Event 11 (")


def test_an_edited_address_is_named(vault: Services) -> None:
    run_sql(vault, "UPDATE audit_events SET address = '203.0.113.9' WHERE sequence = 20")
    assert fault(vault).startswith("Event 20 (")


def test_an_address_that_was_taken_out_is_no_erasure(vault: Services) -> None:
    run_sql(vault, "UPDATE audit_events SET address = '', names = '', salt = NULL WHERE sequence = 20")
    assert "no person was erased" in fault(vault)


def test_a_deleted_event_is_named(vault: Services) -> None:
    run_sql(vault, "DELETE FROM audit_events WHERE sequence = 20")
    assert fault(vault) == "Event 20 is missing."


def test_a_deleted_event_is_named_when_the_others_move_up(vault: Services) -> None:
    run_sql(vault, "DELETE FROM audit_events WHERE sequence = 20")
    _move(vault, 21, -1)
    assert any(text.startswith("Event 20 (") for text in _changed(vault))


def _move(vault: Services, first: int, by: int) -> None:
    # In two steps, because places are unique.
    run_sql(vault, "UPDATE audit_events SET sequence = sequence + 100000 WHERE sequence >= :first", first=first)
    run_sql(vault, "UPDATE audit_events SET sequence = sequence - 100000 + :by WHERE sequence >= 100000", by=by)


def _changed(vault: Services) -> list[str]:
    return verify(vault).faults


def test_events_that_changed_places_are_named(vault: Services) -> None:
    for change in ("-1 WHERE sequence = 20", "20 WHERE sequence = 25", "25 WHERE sequence = -1"):
        run_sql(vault, f"UPDATE audit_events SET sequence = {change}")
    assert fault(vault).startswith("Event 20 (")
    assert "belongs in place 25" in fault(vault)


def test_an_inserted_event_is_named(vault: Services) -> None:
    forged = copy_of(vault, "audit_events")["audit_events"][0]
    _move(vault, 20, 1)
    put_back_row(vault, "audit_events", {**forged, "id": "00000000-0000-4000-8000-000000000000", "sequence": 20})
    assert any(text.startswith("Event 20 (") for text in _changed(vault))


def test_an_event_behind_the_head_is_named(vault: Services) -> None:
    forged = copy_of(vault, "audit_events")["audit_events"][0]
    put_back_row(vault, "audit_events", {**forged, "id": "00000000-0000-4000-8000-000000000000", "sequence": 999})
    assert fault(vault).startswith("Event 999 is beyond the head")


def test_a_forged_event_gets_no_place_and_is_named(vault: Services) -> None:
    forged = copy_of(vault, "audit_events")["audit_events"][0]
    put_back_row(vault, "audit_events", {**forged, "id": "00000000-0000-4000-8000-000000000000", "sequence": None})
    settle(vault)
    assert fault(vault).startswith("Event 00000000-0000-4000-8000-000000000000 has no place yet")


def test_a_tail_that_was_cut_is_named_by_the_head(vault: Services) -> None:
    run_sql(vault, "DELETE FROM audit_events WHERE sequence >= 30")
    assert fault(vault) == "Event 30 is missing."


def test_a_tail_that_was_cut_with_its_head_is_named_by_the_checkpoint(vault: Services, ada: Principal) -> None:
    before = copy_of(vault, "audit_head")
    size = before["audit_head"][0]["size"]
    values(vault, ada, "prod")
    settle(vault)
    note = checkpoint(vault)
    run_sql(vault, "DELETE FROM audit_events WHERE sequence >= :size", size=size)
    put_back(vault, before)
    with opened_again(vault) as fresh:
        assert "the end of the trail was cut" in verify(fresh, note).faults[-1]


def test_a_whole_database_of_yesterday_is_named_by_the_checkpoint(vault: Services, ada: Principal) -> None:
    yesterday = copy_of(vault)
    values(vault, ada, "prod")
    patch(vault, ada, "prod", A="3")
    settle(vault)
    note = checkpoint(vault)
    put_back(vault, yesterday)
    with opened_again(vault) as fresh:
        assert verify(fresh).faults == []
        assert "the whole database is an older one" in fault(fresh, note)


def test_yesterday_s_database_that_has_grown_again_is_named_by_the_checkpoint(vault: Services, ada: Principal) -> None:
    yesterday = copy_of(vault)
    values(vault, ada, "prod")
    settle(vault)
    note = checkpoint(vault)
    put_back(vault, yesterday)
    with opened_again(vault) as fresh:
        for _ in range(9):
            values(fresh, ada, "prod")
        settle(fresh)
        assert "an older database was put in place" in fault(fresh, note).replace("\n", " ")


def test_a_running_worker_refuses_to_go_on_from_an_older_head(vault: Services, ada: Principal) -> None:
    before = copy_of(vault, "audit_head", "audit_events")
    values(vault, ada, "prod")
    settle(vault)
    put_back(vault, before)
    values(vault, ada, "prod")
    with pytest.raises(Exception, match="failed to answer"):
        settle(vault)


def test_a_head_that_was_removed_or_changed_is_named(vault: Services) -> None:
    head = copy_of(vault, "audit_head")["audit_head"][0]
    put_back_row(vault, "audit_head", {**head, "size": head["size"] - 1})
    assert fault(vault).startswith("The head of the tree is missing")
    run_sql(vault, "DELETE FROM audit_head")
    assert fault(vault).startswith("The head of the tree is missing")


def test_another_vault_s_checkpoint_is_refused(vault: Services) -> None:
    with pytest.raises(InvalidInput):
        verify(vault, checkpoint(vault).replace("— strongroom", "— another"))


# -- Rows of authority --


def test_a_revoked_token_that_was_put_back_is_named(vault: Services, ada: Principal) -> None:
    token = add_token(vault, ada, grant("read", environment="prod"))
    before = next(row for row in copy_of(vault, "tokens")["tokens"] if row["id"] == token.id)
    write(vault, lambda unit: vault.tokens.tokens.revoke(unit, ada, token.id))
    assert verify(vault).faults == []
    put_back_row(vault, "tokens", before)
    assert as_token(vault, token.secret).id == token.id, "Nothing else finds it."
    assert fault(vault) == f"The row {token.id} of tokens was put back to version 1; the newest that was written is 2."


def test_a_disabled_user_that_was_put_back_is_named(vault: Services) -> None:
    before = next(row for row in copy_of(vault, "users")["users"] if row["name"] == "ada")
    write(vault, lambda unit: vault.people.accounts.set_state(unit, HOST, "ada", active=False))
    put_back_row(vault, "users", before)
    assert f"The row {before['id']} of users was put back" in fault(vault)


def test_an_environment_s_older_revision_that_was_made_current_is_named(vault: Services, ada: Principal) -> None:
    before = next(row for row in copy_of(vault, "environments")["environments"] if row["name"] == "prod")
    patch(vault, ada, "prod", A="3")
    put_back_row(vault, "environments", before)
    assert values(vault, ada, "prod")["A"] == "1"
    assert f"The row {before['id']} of environments was put back" in fault(vault)


def test_a_purged_environment_that_was_put_back_is_named(vault: Services, ada: Principal, clock: FakeClock) -> None:
    environment = vault.environments.environments.get(ada, "prod")
    write(vault, lambda unit: vault.environments.environments.delete(unit, ada, "prod"))
    tables = ("environments", "data_keys", "revisions")
    before = copy_of(vault, *tables)
    clock.advance(40 * 86_400)
    purge(vault)
    assert verify(vault).faults == []
    put_back(vault, before)
    assert verify(vault).faults == [f"The row {environment.id} of environments was deleted, but has been put back."]


def test_a_row_of_which_no_event_tells_is_named(vault: Services) -> None:
    with vault.storage.write() as unit:
        unit.users.add(
            id="u", name="eve", name_folded="eve", role="operator", state="active", second_factor=False, created_us=1
        )
    assert fault(vault).startswith("The row u of users exists, but no event mentions it")


def test_each_verb_tells_of_every_row_that_it_writes(vault: Services, ada: Principal) -> None:
    """Use counts and times of last use excepted: a table has no row newer than its newest event says."""
    token = add_token(vault, ada, grant("read,history", environment="prod"))
    write(vault, lambda unit: vault.tokens.tokens.rotate(unit, ada, token.id, 60))
    write(
        vault,
        lambda unit: vault.environments.environments.change(unit, ada, "prod", {"name": "live", "description": "d"}),
    )
    write(vault, lambda unit: vault.environments.variables.copy(unit, ada, "live", "copied"))
    write(vault, lambda unit: vault.environments.history.rollback(unit, ada, "live", 1))
    write(vault, lambda unit: vault.environments.environments.delete(unit, ada, "copied"))
    write(vault, lambda unit: vault.environments.environments.undelete(unit, ada, "copied", None))
    change_password(vault, ada, "lantern gravel ninefold otter", "another gravel lantern otter")
    write(vault, lambda unit: vault.people.accounts.set_role(unit, HOST, "ada", "operator"))  # type: ignore[arg-type]  # a StrEnum of this text
    settle(vault)
    assert verify(vault).faults == []
    assert _newer_than_told(vault) == []


def _newer_than_told(vault: Services) -> list[str]:
    from vault.services.audit.authority import Authority
    from vault.storage.signing.authority import REPOSITORIES, standing

    authority = Authority()
    with vault.storage.read() as unit:
        for rows in unit.audit_events.in_order():
            for row in rows:
                if row[12]:
                    authority.note(row[12])
        return [
            f"{repository.signed.table.name} {key}"
            for repository in REPOSITORIES
            for key, version, _, _ in standing(unit.connection, repository.signed)
            if authority._told[repository.signed.table.name, key].row_version < version
        ]
