"""Whoever was erased stays erased: a restore drops what the places' lists know, and says when they do not know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KINDS, FreshDatabase, Kind
from tests.support.backups import backed_up, make, newest, opened_at, restored
from tests.support.factors import fresh
from tests.support.rotating import open_everything
from tests.support.vaults import (
    HOST,
    FakeClock,
    add_environment,
    add_person,
    erase_oneself,
    opened_again,
    patch,
    run_sql,
    values,
)
from vault.errors import ErasedListError, Forbidden, NotFound
from vault.model.action import Action
from vault.model.clock import DAY_US
from vault.model.principal import Principal
from vault.services import Services, audit
from vault.services.backup import ArchiveKind
from vault.services.backup.directory import DirectoryPlace
from vault.services.backup.erased import list_name
from vault.storage import Storage, first_rows, schema_status


@pytest.fixture
def backed(vault: Services, tmp_path: Path, ada: Principal, bob: Principal) -> Iterator[Services]:
    """ada has an environment, and bob too; an archive of that moment lies in both places."""
    with backed_up(vault, tmp_path) as found:
        add_environment(found, ada, "prod", A="ada's")
        add_environment(found, bob, "prod", B="bob's")
        make(found)
        yield found


def lists(vault: Services) -> list[Path]:
    folders = vault.settings.backup_to.split(",")
    return [Path(folder.removeprefix("dir:"), list_name(vault.instance.id)) for folder in folders]


def erase(vault: Services, person: Principal) -> None:
    erase_oneself(vault, person)
    assert [told.error for told in vault.backups.tell_erased(HOST)] == ["", ""]


@pytest.mark.parametrize("kind", KINDS)
def test_an_older_archive_does_not_bring_a_person_back(
    backed: Services, ada: Principal, bob: Principal, kind: Kind, fresh_database: FreshDatabase, clock: FakeClock
) -> None:
    path = newest(backed)
    clock.advance(60)
    erase(backed, ada)
    url = fresh_database(kind)
    done = restored(backed, url, path, clock=clock)
    assert (done.dropped.people, done.dropped.environments, done.warnings) == (1, 0, [])
    with opened_at(backed.settings, url, clock) as again:
        with again.storage.read() as unit:
            assert unit.users.by_id(ada.user_id) is None
            kept = {row.owner_id for row in unit.destroyed_keys.erased()}
        assert ada.user_id in kept
        assert values(again, bob, "prod") == {"B": "bob's"}
        assert open_everything(again) == 1
        with again.storage.write() as unit:
            again.audit.tree.sequence(unit)
        assert again.audit.verifier.verify().faults == []
        trail = run_sql(again, "SELECT address, names FROM audit_events WHERE user_id = :id", id=ada.user_id)
        assert {(row.address, row.names) for row in trail if row.address} == set()


def test_without_a_list_the_restore_says_so_and_without_any_doubt(
    backed: Services, ada: Principal, fresh_database: FreshDatabase, clock: FakeClock
) -> None:
    erase(backed, ada)
    for path in lists(backed):
        path.unlink()
    url = fresh_database("sqlite")
    done = restored(backed, url, clock=clock)
    assert (done.dropped.people, len(done.warnings)) == (0, 1)
    assert "no list of erased keys" in done.warnings[0]
    assert "ARE BACK" in done.warnings[0]


def test_one_list_is_enough_and_a_place_that_is_gone_is_told(
    backed: Services, ada: Principal, fresh_database: FreshDatabase, clock: FakeClock
) -> None:
    erase(backed, ada)
    lists(backed)[0].unlink()
    assert restored(backed, fresh_database("sqlite"), clock=clock).dropped.people == 1
    path = newest(backed)
    lists(backed)[1].parent.rename(lists(backed)[1].parent.with_name("away"))
    done = restored(backed, fresh_database("sqlite"), path, clock=clock)
    assert done.dropped.people == 0
    assert "does not exist" in done.warnings[0]
    assert "no list of erased keys" in done.warnings[1]


def test_a_list_that_was_changed_stops_the_restore(
    backed: Services, ada: Principal, fresh_database: FreshDatabase, clock: FakeClock
) -> None:
    erase(backed, ada)
    good = json.loads(lists(backed)[0].read_bytes())
    body = json.loads(good["list"])
    shorter = {**good, "list": json.dumps({**body, "erased": []}, separators=(",", ":"))}
    stranger = {**good, "wraps": [{**wrap, "master_key_id": good["key_id"]} for wrap in good["wraps"]]}
    bad: Any
    for bad in (shorter, stranger, {**good, "mac": "00"}, {**good, "wraps": []}, {"list": 1}, []):
        lists(backed)[0].write_text(json.dumps(bad))
        url = fresh_database("sqlite")
        with pytest.raises(ErasedListError, match="--without-erased-list"):
            restored(backed, url, clock=clock)
        storage = Storage(url, pool_size=1)
        with storage.read() as unit:
            assert schema_status(unit.connection).state == "current"
            assert first_rows(unit.connection) is None
        storage.close()
    done = restored(backed, fresh_database("sqlite"), clock=clock, without_list=True)
    assert "No list of erased keys was used, as requested: people" in done.warnings[0]


def test_a_list_that_is_older_than_its_place_is_told(
    backed: Services, ada: Principal, fresh_database: FreshDatabase, clock: FakeClock
) -> None:
    old = [path.read_bytes() for path in lists(backed)]
    clock.advance(3600)
    erase(backed, ada)
    make(backed)
    first = min(lists(backed)[0].parent.glob("*.srb"))
    for path, data in zip(lists(backed), old, strict=True):
        path.write_bytes(data)
    done = restored(backed, fresh_database("sqlite"), first, clock=clock)
    assert len(done.warnings) == 2
    assert "is older than the newest archive there" in done.warnings[0]


def test_a_list_from_after_a_reseal_and_a_rotation_counts_for_an_archive_from_before(
    backed: Services, fresh_database: FreshDatabase
) -> None:
    path = newest(backed)
    # A reseal waits for time to pass.
    with opened_again(backed) as vault:
        vault.keys.master.rotate(HOST, wait_seconds=0)
        vault.keys.rewrapping.run(HOST)
        vault.keys.reseal.run(HOST)
        # The reseal has ended every session.
        erase(vault, fresh(vault, "ada"))
        with vault.storage.read() as unit:
            known = {row.key_id for row in unit.destroyed_keys.erased()}
    url = fresh_database("sqlite")
    done = restored(backed, url, path)
    assert (done.dropped.people, done.warnings) == (1, [])
    # Keys that the archive has never heard of are known again: the next place to be told hears of them.
    with opened_at(backed.settings, url) as again, again.storage.read() as unit:
        assert {row.key_id for row in unit.destroyed_keys.erased()} > known


def test_an_environment_that_was_erased_stays_erased(
    backed: Services, bob: Principal, fresh_database: FreshDatabase, clock: FakeClock
) -> None:
    path = newest(backed)
    with backed.storage.write() as unit:
        [row] = [row for row in unit.environments.page(bob.user_id, limit=9) if row.name == "prod"]
        unit.shredding.environment(row.id, clock())
        audit.record(unit, HOST, Action.ENVIRONMENT_ERASE, environment_id=row.id)
    backed.backups.tell_erased(HOST)
    url = fresh_database("sqlite")
    done = restored(backed, url, path, clock=clock)
    assert (done.dropped.people, done.dropped.environments) == (0, 1)
    with opened_at(backed.settings, url, clock) as again, pytest.raises(NotFound):
        values(again, bob, "prod")


def test_what_a_list_knows_survives_a_restore_and_the_next_backup(
    backed: Services, ada: Principal, fresh_database: FreshDatabase, clock: FakeClock
) -> None:
    path = newest(backed)
    erase(backed, ada)
    # Restored without it: the database does not know of the erasure any more, and the places still do.
    url = fresh_database("sqlite")
    restored(backed, url, path, clock=clock, without_list=True)
    with opened_at(backed.settings, url, clock) as again:
        make(again)
    assert restored(backed, fresh_database("sqlite"), path, clock=clock).dropped.people == 1


def test_a_backup_that_knows_less_never_has_the_last_word_on_a_list(
    backed: Services,
    ada: Principal,
    fresh_database: FreshDatabase,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The backup has asked the database already when somebody is erased, and puts its list last."""
    path, put = newest(backed), DirectoryPlace.put
    waiting = [ada]

    def put_later(place: DirectoryPlace, name: str, source: Path) -> None:
        if waiting and name == list_name(backed.instance.id):
            erase(backed, waiting.pop())
        put(place, name, source)

    monkeypatch.setattr(DirectoryPlace, "put", put_later)
    make(backed)
    assert waiting == []
    lists(backed)[1].unlink()
    assert restored(backed, fresh_database("sqlite"), path, clock=clock).dropped.people == 1


def test_a_backup_replaces_a_list_that_is_not_its_own_and_says_so(backed: Services) -> None:
    lists(backed)[0].write_text("{}")
    made = make(backed)
    assert "It was replaced" in made.places[0].warnings[0]
    assert made.places[1].warnings == []
    assert json.loads(lists(backed)[0].read_bytes())["mac"]


def test_who_was_erased_before_the_archive_was_made_is_not_in_it(
    backed: Services, ada: Principal, fresh_database: FreshDatabase, clock: FakeClock
) -> None:
    erase(backed, ada)
    clock.advance(1)
    make(backed)
    done = restored(backed, fresh_database("sqlite"), clock=clock)
    assert (done.dropped.people, done.proof.faults) == (0, [])


def test_the_archives_that_may_still_hold_somebody_are_told_with_their_time(
    backed: Services, ada: Principal, clock: FakeClock
) -> None:
    held, failed = backed.backups.held(HOST)
    assert (len(held), failed) == (2, [])
    assert {each.until_us - each.name.created_us for each in held} == {14 * 86_400 * 1_000_000}
    with opened_again(backed, clock) as again:
        add_person(again, "cyd")
        patch(again, ada, "prod", A="2")
    assert len(backed.backups.held(HOST)[0]) == 2


def test_a_person_does_not_tell_the_places(backed: Services, ada: Principal) -> None:
    for call in (backed.backups.tell_erased, backed.backups.held):
        with pytest.raises(Forbidden):
            call(ada)
    with pytest.raises(Forbidden):
        backed.backups.create(ada, ArchiveKind.DAILY)


def test_the_report_of_an_erasure_names_each_archive_and_its_time(
    backed: Services, bob: Principal, clock: FakeClock
) -> None:
    clock.advance(60)
    report = backed.storage.transaction(lambda unit: backed.people.erasure.person(unit, HOST, bob.user_id, "bob"))
    places = backed.settings.backup_to.split(",")
    until_us = report.erased_us + 14 * DAY_US
    assert [(each.place, each.until_us) for each in report.remains[:2]] == [(place, until_us) for place in places]
    exact, told = backed.backups.after_erasure(HOST, report)
    assert [each.error for each in told] == ["", ""]
    assert sorted(each.place for each in exact.remains[:2]) == places
    assert all(each.until_us == until_us - 60 * 1_000_000 for each in exact.remains[:2])
    assert all("The archive of" in each.sentence and "erases it again" in each.sentence for each in exact.remains[:2])
    assert exact.remains[2:] == report.remains[2:]


def test_a_place_that_is_away_is_told_of_an_erasure_by_its_next_backup(
    backed: Services, ada: Principal, fresh_database: FreshDatabase, clock: FakeClock
) -> None:
    path, place = newest(backed, 1), lists(backed)[1].parent
    place.rename(place.with_name("away"))
    report = backed.storage.transaction(lambda unit: backed.people.erasure.person(unit, HOST, ada.user_id, "ada"))
    exact, told = backed.backups.after_erasure(HOST, report)
    assert [bool(each.error) for each in told] == [False, True]
    assert f"dir:{place}" in {each.place for each in exact.remains}
    place.with_name("away").rename(place)
    make(backed)
    lists(backed)[0].unlink()
    assert restored(backed, fresh_database("sqlite"), path, clock=clock).dropped.people == 1


def test_a_database_that_was_put_back_by_its_own_means_drops_what_the_lists_know(
    backed: Services, ada: Principal, bob: Principal, fresh_database: FreshDatabase, clock: FakeClock
) -> None:
    path = newest(backed)
    erase(backed, ada)
    url = fresh_database("sqlite")
    restored(backed, url, path, clock=clock, without_list=True)
    with opened_at(backed.settings, url, clock) as again:
        with pytest.raises(Forbidden):
            again.backups.drop_erased(bob)
        dropped, told = again.backups.drop_erased(HOST)
        assert (dropped.people, [each.error for each in told]) == (1, ["", ""])
        assert again.backups.drop_erased(HOST)[0].people == 0
        assert again.audit.verifier.verify().faults == []
        assert open_everything(again) == 1
    lists(backed)[0].unlink()
    lists(backed)[1].write_text("{}")
    with opened_at(backed.settings, url, clock) as again:
        _, told = again.backups.drop_erased(HOST)
    assert "no list of erased keys" in told[0].warnings[0]
    assert "is damaged" in told[1].error
