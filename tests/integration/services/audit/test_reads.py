"""Reads and refusals in the trail: before the answer leaves, through every fault of the spool and of the database."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.integration.services.tampering import put_back_row
from tests.support.vaults import (
    ADDRESS,
    HOST,
    FakeClock,
    add_environment,
    add_person,
    add_token,
    as_token,
    erase_oneself,
    grant,
    opened_again,
    patch,
    run_sql,
    values,
    write,
)
from vault.crypto import SealedBlob, context
from vault.errors import (
    AuditUnavailable,
    BadLogin,
    DatabaseUnavailable,
    Forbidden,
    IntegrityError,
    MacError,
    NotFound,
    NotGranted,
    StepUpRequired,
)
from vault.jobs.drain import drain
from vault.jobs.forward import forward
from vault.jobs.sequence import sequence
from vault.model.action import Action
from vault.model.event import Event
from vault.model.principal import Principal, Role
from vault.services import Services
from vault.services.environments.values import Question
from vault.storage import Search, SpoolFile

CANARY = "canary-7c1e"


@pytest.fixture
def vault(vault: Services, tmp_path: Path, clock: FakeClock) -> Iterator[Services]:
    """A vault whose spool is this test's own."""
    with opened_again(vault, clock, data_dir=tmp_path / "data") as again:
        yield again
        again.audit.reads.close()


@pytest.fixture
def prod(vault: Services, ada: Principal) -> str:
    """The id of an environment with variables A, B and C."""
    return str(add_environment(vault, ada, "prod", A="1", B="2", C=CANARY).id)


def events(vault: Services, **asked: Any) -> list[Event]:
    """What the trail has, the oldest first."""
    drain(vault)
    variable = asked.pop("variable", None)
    found = vault.audit.trail.search(HOST, Search(**asked), None, 1000, variable=variable)
    return [seen.event for seen in reversed(found) if seen.event.action != "audit.search"]


def test_every_kind_of_read_is_in_the_trail(vault: Services, ada: Principal, prod: str) -> None:
    patch(vault, ada, "prod", A="2")
    before = len(events(vault))
    values(vault, ada, "prod")
    vault.environments.variables.read(ada, "prod")
    vault.environments.variables.read_one(ada, "prod", "A")
    vault.environments.variables.list(ada, "prod")
    vault.environments.history.diff(ada, "prod", 2, 1, action=Action.REVISION_COMPARE)
    vault.environments.history.get(ada, "prod", 1)
    vault.environments.history.diff(ada, "prod", 2, 1)
    vault.environments.history.revisions(ada, "prod", None, 10)
    vault.environments.files.export_text(ada, "prod", "dotenv")
    vault.environments.environments.list(ada, limit=10)
    vault.environments.environments.get(ada, "prod")
    vault.tokens.tokens.list(ada, None, 10)
    told = [(event.action, event.environment_id, event.revision) for event in events(vault)[before:]]
    assert sorted(told, key=str) == sorted(
        [
            ("values.read", prod, 2),
            ("variables.read", prod, 2),
            ("variables.read", prod, 2),
            ("variables.list", prod, 2),
            ("revision.compare", prod, 1),
            ("revision.compare", prod, 2),
            ("revision.read", prod, 1),
            ("revision.read", prod, 1),
            ("revision.read", prod, 2),
            ("revision.list", prod, None),
            ("export", prod, 2),
            ("environment.list", None, None),
            ("environment.read", prod, None),
            ("token.list", None, None),
        ],
        key=str,
    )


def test_an_event_says_who_when_and_from_where(vault: Services, ada: Principal, prod: str) -> None:
    token = add_token(vault, ada, grant("read", environment="prod"))
    values(vault, as_token(vault, token.secret), "prod")
    [event] = events(vault, action="values.read")
    assert (event.actor, event.actor_id, event.user_id) == (f"token:{token.id}", ada.user_id, ada.user_id)
    assert (event.address, event.request_id, event.result) == (ADDRESS, "request", "ok")


def test_an_answer_that_the_caller_had_already_is_told_too(vault: Services, ada: Principal, prod: str) -> None:
    etag = vault.environments.values.read(ada, "prod", Question()).etag
    vault.environments.values.read(ada, "prod", Question(), [etag])
    assert [event.result for event in events(vault, action="values.read")] == ["ok", "unchanged"]


def test_the_layers_of_an_answer_are_told(vault: Services, ada: Principal, prod: str) -> None:
    patch(vault, ada, None, G="g")
    globals_id = vault.environments.environments.get(ada, None).id
    values(vault, ada, "prod")
    [event] = events(vault, action="values.read")
    assert json.loads(event.details) == {"layers": [[globals_id, 1]]}


def test_a_guess_that_changes_nothing_is_told(vault: Services, ada: Principal, prod: str) -> None:
    patch(vault, ada, "prod", A="1")
    assert len(events(vault, action="revision.unchanged")) == 1


def test_a_name_that_is_known_finds_what_touched_and_what_read_it(vault: Services, ada: Principal, prod: str) -> None:
    values(vault, ada, "prod")
    values(vault, ada, "prod", names=("A",))
    values(vault, ada, "prod", names=("B",))
    patch(vault, ada, "prod", B=None)
    values(vault, ada, "prod")
    add_environment(vault, ada, "other", A="1")
    found = [(event.action, event.revision, bool(event.names)) for event in events(vault, variable="B")]
    assert found == [
        ("revision.write", 1, True),
        ("values.read", 1, False),
        ("values.read", 1, True),
        ("revision.write", 2, True),
    ]


def test_an_event_stays_small_whatever_is_asked_for(vault: Services, ada: Principal, prod: str) -> None:
    asked = tuple(f"n{number}" for number in range(4000))
    values(vault, ada, "prod", names=("A",) * 4000)
    values(vault, ada, "prod", names=asked)
    far = replace(ada, id="s" * 500, address="1" * 500, request_id="r" * 500)
    vault.audit.reads.read(far, Action.VALUES_READ, prod, 1, names=asked, layers=[(prod, 1)] * 4000, account="a" * 9000)
    vault.audit.reads.turned_away(NotGranted(), far, address="a" * 500, request_id="r" * 500, call="c" * 90_000)
    vault.audit.reads.turned_away(BadLogin(), None, address="a" * 500, request_id="r" * 500, call="c" * 90_000)
    found = events(vault)
    assert len(found) >= 5
    for event in found:
        assert len(event.names) <= 256 * 25 + 80
        assert len(event.details) <= 4096
        assert (len(event.actor) <= 80, len(event.address) <= 64, len(event.request_id) <= 36) == (True,) * 3
    assert {len(event.names) for event in found if event.action == "values.read"} == {24, 256 * 25 + 5 + 1 + 64}


def test_a_read_or_write_of_too_many_names_to_keep_is_found_for_each_of_them(vault: Services, ada: Principal) -> None:
    many = {f"N{number:03}": "1" for number in range(300)}
    add_environment(vault, ada, "big", **many)
    values(vault, ada, "big")
    values(vault, ada, "big", names=tuple(many))
    for name in ("N000", "N299"):
        actions = [event.action for event in events(vault, variable=name)]
        assert actions == ["revision.write", "values.read", "values.read"], name


def test_a_name_in_the_globals_finds_reads_of_what_lies_above(vault: Services, ada: Principal, prod: str) -> None:
    values(vault, ada, "prod")
    patch(vault, ada, None, G="g")
    values(vault, ada, "prod")
    values(vault, ada, "prod", globals=False)
    actions = [event.action for event in events(vault, variable="G")]
    assert actions == ["revision.write", "values.read"]


def test_neither_values_nor_names_nor_credentials_are_in_the_trail(vault: Services, ada: Principal, prod: str) -> None:
    token = add_token(vault, ada, grant("read", environment="prod"))
    reader = as_token(vault, token.secret)
    values(vault, reader, "prod", names=("C", f"{CANARY}-name"))
    vault.environments.files.export_text(ada, "prod", "dotenv")
    write(vault, lambda unit: vault.environments.variables.delete_one(unit, ada, "prod", "C"))
    with pytest.raises(NotFound):
        vault.environments.variables.read_one(ada, "prod", f"{CANARY}-name")
    spooled = b"".join(path.read_bytes() for path in (vault.settings.data_dir / "spool").rglob("*.spool"))
    drain(vault)
    stored = repr(run_sql(vault, "SELECT * FROM audit_events"))
    assert token.secret is not None
    for secret in (CANARY, token.secret[-40:], f"{CANARY}-name"):
        assert secret not in stored
        assert secret.encode() not in spooled


# -- Faults of the spool --


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_read_that_cannot_be_recorded_is_refused(
    number: int, vault: Services, ada: Principal, prod: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values(vault, ada, "prod")

    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", refuse)
        for read in (
            lambda: values(vault, ada, "prod"),
            lambda: vault.environments.variables.read(ada, "prod"),
            lambda: vault.environments.history.get(ada, "prod", 1),
            lambda: vault.environments.files.export_text(ada, "prod", "dotenv"),
        ):
            with pytest.raises(AuditUnavailable):
                read()
        assert patch(vault, ada, "prod", A="2") == 2
    values(vault, ada, "prod")
    assert len(events(vault, action="values.read")) == 2


def test_a_full_spool_refuses_reads_until_it_is_drained(vault: Services, ada: Principal, prod: str) -> None:
    with opened_again(vault, spool_bytes=2000) as small:
        answered = 0
        with contextlib.suppress(AuditUnavailable):
            while values(small, ada, "prod"):
                answered += 1
        with pytest.raises(AuditUnavailable):
            values(small, ada, "prod")
        assert 2 <= answered <= 10
        drain(small)
        values(small, ada, "prod")
        assert len(events(small, action="values.read")) == answered + 1
        small.audit.reads.close()


def test_a_spool_directory_that_cannot_be_made_refuses_reads(
    vault: Services, ada: Principal, prod: str, tmp_path: Path
) -> None:
    place = tmp_path / "elsewhere"
    place.write_text("no directory")
    with opened_again(vault, data_dir=place) as unlucky, pytest.raises(AuditUnavailable):
        values(unlucky, ada, "prod")


# -- Faults of the database, and deaths --


def test_reads_go_on_and_are_told_while_the_database_takes_no_writes(
    vault: Services, ada: Principal, prod: str, fast_refusals: None
) -> None:
    with _read_only(vault):
        assert values(vault, ada, "prod")["A"] == "1"
        with pytest.raises(DatabaseUnavailable):
            patch(vault, ada, "prod", A="2")
        with pytest.raises(DatabaseUnavailable):
            drain(vault)
        values(vault, ada, "prod")
    assert len(events(vault, action="values.read")) == 2
    assert vault.audit.verifier.verify().faults == []


class _read_only:
    """A database that others may read only: a second SQLite connection holds the write lock."""

    def __init__(self, vault: Services) -> None:
        self._vault = vault

    def __enter__(self) -> None:
        if self._vault.storage.is_sqlite:
            self._holder = sqlite3.connect(str(self._vault.storage.url.database), isolation_level=None)
            self._holder.execute("BEGIN IMMEDIATE")
            return
        self._set("on")

    def __exit__(self, *_: object) -> None:
        if self._vault.storage.is_sqlite:
            self._holder.close()
            return
        self._set("off")

    def _set(self, state: str) -> None:
        name = self._vault.storage.url.database
        with self._vault.storage.reading.connect() as connection:
            connection.exec_driver_sql("SET default_transaction_read_only = off")
            connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {state}')
        self._vault.storage.writing.dispose()


@pytest.fixture
def fast_refusals(vault: Services) -> None:
    """SQLite waits five seconds for a lock; a tenth of one is enough here."""
    if vault.storage.is_sqlite:
        with vault.storage.writing.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 100")


def test_what_a_dead_worker_has_answered_is_in_the_trail(vault: Services, ada: Principal, prod: str) -> None:
    with opened_again(vault) as dying:
        for _ in range(5):
            values(dying, ada, "prod")
        # As after SIGKILL: nothing is drained, the locks are gone.
        dying.audit.reads._spool.close()
    drain(vault)
    assert len(events(vault, action="values.read")) == 5


def test_a_drain_that_died_before_it_could_say_so_adds_nothing_twice(
    vault: Services, ada: Principal, prod: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        values(vault, ada, "prod")
    with monkeypatch.context() as dying:

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        dying.setattr(type(vault.audit.reads._spool), "drained", die)
        with pytest.raises(KeyboardInterrupt):
            vault.audit.reads.drain()
    values(vault, ada, "prod")
    vault.audit.reads.drain()
    vault.audit.reads.drain()
    assert len(events(vault, action="values.read")) == 4
    assert vault.audit.verifier.verify().faults == []


def test_a_spooled_record_that_was_changed_is_left_out_and_the_others_are_not(
    vault: Services, ada: Principal, prod: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened_again(vault) as dying:
        real = dying.instance.seal
        seals = iter([True, False, True])
        monkeypatch.setattr(
            dying.instance,
            "seal",
            lambda place, text: real(place, text) if next(seals) else real(place, text)[:-1] + b"x",
        )
        for _ in range(3):
            values(dying, ada, "prod")
        dying.audit.reads._spool.close()
    drain(vault)
    assert len(events(vault, action="values.read")) == 2


@pytest.mark.parametrize("kind", ["tiny", "of unknown keys"])
def test_a_file_of_forged_records_costs_one_file_and_one_look_at_the_keys(
    vault: Services, ada: Principal, prod: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = vault.settings.data_dir / "spool" / vault.instance.id
    file = SpoolFile.create(folder)
    sealed = vault.instance.seal(context.audit_record(vault.instance.id, vault.instance.id), b"x")
    # Bytes 8 to 24 of a blob are the id of its key.
    forged = (sealed[:8] + os.urandom(16) + sealed[24:] if kind == "of unknown keys" else b"x" for _ in range(500))
    file.write([(os.urandom(16), SealedBlob(blob)) for blob in forged])
    file.close()
    looks = []
    real = vault.instance.learn

    def learn() -> None:
        looks.append(1)
        real()

    monkeypatch.setattr(vault.instance, "learn", learn)
    values(vault, ada, "prod")
    drain(vault)
    assert [path.name for path in (folder / "set-aside").iterdir()] == [file.path.name]
    assert len(looks) == (1 if kind == "of unknown keys" else 0)
    assert len(events(vault, action="values.read")) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "no JSON",
        lambda facts: json.dumps([*facts[:3], "a" * 200, *facts[4:]]),
        lambda facts: json.dumps([2**70, *facts[1:]]),
        lambda facts: json.dumps([*facts[:-1], {"names": 1}]),
        lambda facts: json.dumps([*facts[:-1], "nul\0"]),
    ],
    ids=["no JSON", "too long a label", "too large a number", "no text", "a NUL"],
)
def test_a_record_that_can_never_be_stored_is_set_aside_and_the_others_are_not(
    vault: Services, ada: Principal, prod: str, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[list[Any]], str]
) -> None:
    with opened_again(vault) as dying:
        real = dying.instance.seal
        turns = iter([False, True, False, False])

        def seal(place: Any, text: bytes) -> Any:
            return real(place, spoil(json.loads(text)).encode() if next(turns) else text)

        monkeypatch.setattr(dying.instance, "seal", seal)
        for _ in range(4):
            values(dying, ada, "prod")
        dying.audit.reads._spool.close()
    drain(vault)
    drain(vault)
    told = len(events(vault, action="values.read"))
    folder = vault.settings.data_dir / "spool" / vault.instance.id / "set-aside"
    kept = list(folder.iterdir()) if folder.exists() else []
    # SQLite takes longer texts than the column says, and PostgreSQL does not.
    assert (told, len(kept)) in ([(3, 1), (4, 0)] if vault.storage.is_sqlite else [(3, 1)])
    values(vault, ada, "prod")
    assert len(events(vault, action="values.read")) == told + 1


@pytest.mark.parametrize("is_left_behind", [False, True], ids=["its own", "left behind"])
def test_a_file_that_cannot_be_set_aside_holds_up_no_other(
    vault: Services, ada: Principal, prod: str, is_left_behind: bool
) -> None:
    folder = vault.settings.data_dir / "spool" / vault.instance.id
    if is_left_behind:
        file = SpoolFile.create(folder)
        file.write([(os.urandom(16), SealedBlob(b"x"))])
        file.path.rename(folder / "0.spool")
        file.close()
    else:
        vault.audit.reads._spool.append(os.urandom(16), SealedBlob(b"x"))
        vault.audit.reads._spool.take()
    (folder / "set-aside").write_text("no folder")
    with opened_again(vault) as dying:
        values(dying, ada, "prod")
        dying.audit.reads._spool.close()
    values(vault, ada, "prod")
    with pytest.raises(FileExistsError):
        drain(vault)
    (folder / "set-aside").unlink()
    assert len(vault.audit.reads._spool.take()) == (0 if is_left_behind else 1)
    with vault.storage.read() as unit:
        stored = unit.connection.execute(sa.text("SELECT count(*) FROM audit_events WHERE action = 'values.read'"))
        assert stored.scalar_one() == 2
    drain(vault)
    assert len(list((folder / "set-aside").iterdir())) == 1


# -- Refusals --


def test_refusals_of_strangers_are_gathered_by_address_and_minute(vault: Services, clock: FakeClock) -> None:
    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1"):
        vault.audit.reads.turned_away(BadLogin(), None, address=address, request_id="r", call="sessions.log_in")
    told = [(event.address, json.loads(event.details)["count"]) for event in events(vault, action="refused")]
    assert sorted(told) == [("192.0.2.1", 1), ("192.0.2.2", 1)]
    clock.advance(61)
    told = [(event.address, json.loads(event.details)["count"]) for event in events(vault, action="refused")]
    assert sorted(told) == [("192.0.2.1", 1), ("192.0.2.1", 2), ("192.0.2.2", 1)]


def test_a_flood_from_many_addresses_is_bounded(vault: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.services.audit.refusals._MOST", 3)
    for number in range(9):
        vault.audit.reads.turned_away(BadLogin(), None, address=f"192.0.2.{number}", request_id="r", call="c")
    assert sorted(event.address for event in events(vault, action="refused")) == [
        "",
        *(f"192.0.2.{n}" for n in range(3)),
    ]


def test_a_known_caller_s_refusal_is_told_with_its_cause(vault: Services, ada: Principal) -> None:
    for error in (NotGranted(), Forbidden(), StepUpRequired(), MacError(), NotFound()):
        vault.audit.reads.turned_away(error, ada, address=ADDRESS, request_id="r", call="values.read_values")
    told = [(event.result, event.user_id) for event in events(vault, action="refused")]
    assert sorted(told) == [
        (code, ada.user_id) for code in ("forbidden", "integrity", "not_granted", "step_up_required")
    ]


# -- Trails, erasure, prune, forwarding --


def test_one_s_own_trail_is_one_s_own(vault: Services, ada: Principal, bob: Principal, prod: str) -> None:
    values(vault, ada, "prod")
    drain(vault)
    assert "values.read" in [seen.event.action for seen in vault.audit.trail.own(ada, None, 100)]
    assert "values.read" not in [seen.event.action for seen in vault.audit.trail.own(bob, None, 100)]


def test_one_s_own_trail_shows_what_operators_did_and_not_from_where(vault: Services, ada: Principal) -> None:
    operator = add_person(vault, "olga", Role.OPERATOR)
    assert operator.address
    write(vault, lambda unit: vault.people.accounts.set_role(unit, operator, "ada", Role.USER))
    event = next(seen.event for seen in vault.audit.trail.own(ada, None, 100) if seen.event.action == "user.role")
    assert (event.actor, event.address) == (operator.label, "")


def test_tokens_and_people_without_the_role_or_a_recent_password_do_not_search(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    token = as_token(vault, add_token(vault, ada, grant("read", path="*")).secret)
    stale = Principal(ada.kind, ada.id, ada.user_id, ada.username, Role.OPERATOR, authenticated_us=clock() - 10**9)
    for who, refusal in ((token, Forbidden), (ada, Forbidden), (stale, StepUpRequired)):
        with pytest.raises(refusal):
            vault.audit.trail.search(who, Search(), None, 1)
        with pytest.raises(refusal):
            vault.audit.trail.prune(who, 0)
        with pytest.raises(refusal):
            next(vault.audit.trail.export(who))
    with pytest.raises(Forbidden):
        vault.audit.trail.own(token, None, 1)


def test_erasing_a_person_takes_addresses_and_names_and_leaves_the_tree_whole(
    vault: Services, ada: Principal, prod: str
) -> None:
    from tests.support.vaults import PASSWORD

    values(vault, ada, "prod", names=("A",))
    drain(vault)
    sequence(vault, ada.user_id)
    with vault.storage.read() as unit:
        before = vault.audit.tree.checkpoint(unit)
    values(vault, ada, "prod")
    erase_oneself(vault, ada, PASSWORD)
    theirs = events(vault, user_id=ada.user_id)
    assert len(theirs) > 5
    assert {(event.address, event.names) for event in theirs} == {("", "")}
    # The erasure itself is told of afterwards, and holds nothing that would have to be erased.
    assert [event.action for event in theirs if event.salt is not None] == ["user.erase"]
    sequence(vault, ada.user_id)
    report = vault.audit.verifier.verify(before)
    assert (report.faults, report.erased) == ([], len(theirs) - 1)


def test_a_prune_keeps_verification_whole(vault: Services, ada: Principal, prod: str, clock: FakeClock) -> None:
    for number in range(5):
        values(vault, ada, "prod")
        patch(vault, ada, "prod", A=str(number + 10))
        drain(vault)
        sequence(vault, ada.user_id)
    with vault.storage.read() as unit:
        kept = vault.audit.tree.checkpoint(unit)
    size = vault.audit.verifier.verify().size
    clock.advance(3 * 86_400)
    assert vault.audit.trail.prune(HOST, clock() - 2 * 86_400 * 10**6) >= 5
    drain(vault)
    sequence(vault, ada.user_id)
    report = vault.audit.verifier.verify(kept)
    assert report.faults == []
    assert report.pruned >= 5
    assert report.size > size
    assert events(vault, action="values.read") == []
    [before] = [row for row in _rows(vault, "environments") if row["id"] == prod]
    patch(vault, ada, "prod", A="x")
    put_back_row(vault, "environments", before)
    assert "was put back" in vault.audit.verifier.verify(kept).faults[0]


def test_a_prune_does_not_take_the_traces_of_whoever_changed_an_event(
    vault: Services, ada: Principal, prod: str, clock: FakeClock
) -> None:
    """An event that is made old would go with the old ones, and nothing would tell any more which one it was."""
    drain(vault)
    sequence(vault, ada.user_id)
    before = vault.audit.verifier.verify().size
    run_sql(vault, "UPDATE audit_events SET at_us = 1 WHERE sequence = 2")
    clock.advance(10 * 86_400)
    with pytest.raises(IntegrityError, match=r"Nothing was pruned: Event 2 "):
        vault.audit.trail.prune(HOST, clock() - 2 * 86_400 * 10**6)
    report = vault.audit.verifier.verify()
    assert (report.size, report.pruned) == (before, 0)
    assert report.faults[0].startswith("Event 2 ")


def test_what_was_pruned_cannot_be_forged(vault: Services, ada: Principal, prod: str, clock: FakeClock) -> None:
    for _ in range(5):
        values(vault, ada, "prod")
    drain(vault)
    clock.advance(3 * 86_400)
    vault.audit.trail.prune(HOST, clock() - 2 * 86_400 * 10**6)
    run = _rows(vault, "audit_pruned")[0]
    put_back_row(vault, "audit_pruned", {**run, "hashes": bytes(len(run["hashes"]))})
    assert vault.audit.verifier.verify().faults[0] == "The hashes of pruned events were changed."
    run_sql(vault, "DELETE FROM audit_pruned")
    assert vault.audit.verifier.verify().faults[0] == f"Event {run['first']} is missing."


def _rows(vault: Services, table: str) -> list[dict[str, Any]]:
    from tests.integration.services.tampering import copy_of

    return copy_of(vault, table)[table]


def test_events_are_forwarded_once_each_in_order_with_a_checkpoint(
    vault: Services, ada: Principal, prod: str, tmp_path: Path
) -> None:
    target = tmp_path / "audit.jsonl"
    with opened_again(vault, audit_forward=f"file:{target}") as forwarding:
        for _ in range(3):
            values(forwarding, ada, "prod")
            drain(forwarding)
            sequence(forwarding, ada.user_id)
            forward(forwarding, ada.user_id)
        forwarding.audit.reads.close()
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    places = [line["sequence"] for line in lines if "sequence" in line]
    assert places == list(range(len(places)))
    assert [line["action"] for line in lines if "action" in line].count("values.read") == 3
    note = next(line["checkpoint"] for line in lines if "checkpoint" in line)
    assert vault.audit.verifier.verify(note).faults == []


def test_a_target_that_takes_nothing_holds_nothing_up(vault: Services, ada: Principal, prod: str) -> None:
    with opened_again(vault, audit_forward="file:/nonexistent/audit.jsonl") as forwarding:
        values(forwarding, ada, "prod")
        drain(forwarding)
        sequence(forwarding, ada.user_id)
        forward(forwarding, ada.user_id)
        assert forwarding.audit.forwarder.look() is not None
        values(forwarding, ada, "prod")
        forwarding.audit.reads.close()
    assert len(events(vault, action="values.read")) == 2
