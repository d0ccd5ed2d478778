"""An erasure takes all that is somebody's, at once or not at all, and says in numbers what went and what remains."""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.integration.services.tampering import copy_of, put_back
from tests.support.patience import HANG_SECONDS
from tests.support.vaults import (
    HOST,
    PASSWORD,
    FakeClock,
    add_environment,
    add_person,
    add_token,
    as_session,
    as_token,
    change_password,
    erase_oneself,
    grant,
    log_in,
    opened_again,
    patch,
    run_sql,
    values,
    write,
)
from vault.app import open_vault
from vault.errors import BadLogin, Conflict, Forbidden, InvalidInput, NotAuthenticated, NotFound
from vault.jobs.purge import purge
from vault.model.principal import Principal, Role, vault_itself
from vault.services import Services
from vault.services.idempotency import Call, Claim, KeptAnswer
from vault.services.keys.users import UserRotation
from vault.services.people.erasure import ErasureReport, Remains, UnknownArchives
from vault.storage import UnitOfWork
from vault.storage.tables import metadata


def erase(vault: Services, who: Principal, name: str, confirmed: str | None = None) -> ErasureReport:
    return write(vault, lambda unit: vault.people.erasure.person(unit, who, name, confirmed or name))


def stock(vault: Services, who: Principal) -> None:
    """Something of every kind."""
    add_environment(vault, who, "prod", A="erased-value-1")
    patch(vault, who, "prod", A="erased-value-2")
    old = add_environment(vault, who, "old", A="erased-value-3")
    write(vault, lambda unit: vault.environments.environments.delete(unit, who, old.id))
    add_token(vault, who, grant("read,delegate", path="*"))

    def keep(unit: UnitOfWork) -> None:
        claim = vault.idempotency.claim(unit, who, Call("POST", "/x", "key", b""))
        assert isinstance(claim, Claim)
        vault.idempotency.keep(unit, who, claim, KeptAnswer(200, {}, "erased-answer"))

    write(vault, keep)


def all_texts(vault: Services) -> str:
    """Everything that the database holds, as text."""
    return "\n".join(str(row) for rows in copy_of(vault).values() for row in rows)


def test_the_report_counts_what_went_and_tells_what_remains(
    vault: Services, ada: Principal, bob: Principal, clock: FakeClock
) -> None:
    stock(vault, ada)
    add_environment(vault, bob, "prod", A="bob's")
    report = erase(vault, HOST, "ADA", "ada")
    counted = {name: count for name, count in dataclasses.asdict(report).items() if isinstance(count, int)}
    assert {**counted, "erased_us": 0, "audit_events": 0} == {
        "environments": 2, "revisions": 3, "user_keys": 1, "data_keys": 3, "sessions": 1, "tokens": 1,
        "erased_us": 0, "audit_events": 0,
    }  # fmt: skip
    assert (report.user_id, report.erased_us) == (ada.user_id, clock())
    assert report.audit_events > 5
    assert [(place.place, place.until_us is None) for place in report.remains] == [
        ("backups", True), ("database", not vault.storage.is_sqlite), ("memory", False), ("audit", True),
    ]  # fmt: skip
    assert values(vault, bob, "prod") == {"A": "bob's"}


def test_nothing_is_left_but_the_trail_and_the_record_of_keys(vault: Services, ada: Principal) -> None:
    stock(vault, ada)
    erase(vault, HOST, "ada")
    left = {
        table
        for table, rows in copy_of(vault).items()
        if any(ada.user_id in (value for value in row.values() if isinstance(value, str)) for row in rows)
    }
    assert left == {"audit_events", "destroyed_keys"}
    with vault.storage.read() as unit:
        assert unit.users.by_name("ada") is None
    write(vault, lambda unit: vault.people.accounts.add(unit, HOST, "ada", PASSWORD))
    assert values(vault, as_session(vault, log_in(vault, "ada").secret), None) == {}


def test_the_audit_stays_whole_and_names_the_operator_and_not_the_erased(
    vault: Services, ada: Principal, bob: Principal
) -> None:
    stock(vault, ada)
    write(vault, lambda unit: vault.people.accounts.set_role(unit, HOST, "bob", Role.OPERATOR))
    operator = as_session(vault, log_in(vault, "bob", address="192.0.2.77").secret, address="192.0.2.77")
    vault.audit.reads.drain()
    with vault.storage.write() as unit:
        vault.audit.tree.sequence(unit)
        kept = vault.audit.tree.checkpoint(unit)
    values(vault, ada, "prod", names=("A",))
    erase(vault, operator, "ada")
    vault.audit.reads.drain()
    report = vault.audit.verifier.verify(kept)
    assert report.faults == []
    assert report.erased > 5
    rows = copy_of(vault, "audit_events")["audit_events"]
    theirs = [row for row in rows if ada.user_id in (row["user_id"], row["actor_id"])]
    assert {(row["address"], row["names"]) for row in theirs if row["action"] != "user.erase"} == {("", "")}
    [event] = [row for row in rows if row["action"] == "user.erase"]
    assert (event["user_id"], event["actor"], event["address"]) == (ada.user_id, operator.label, "192.0.2.77")
    assert "'ada'" not in all_texts(vault)


def test_whoever_erases_themselves_leaves_no_address(vault: Services, ada: Principal) -> None:
    values(vault, ada, None)
    erase_oneself(vault, ada)
    vault.audit.reads.drain()
    rows = [row for row in copy_of(vault, "audit_events")["audit_events"] if row["user_id"] == ada.user_id]
    assert rows
    assert {(row["address"], row["names"]) for row in rows} == {("", "")}
    assert vault.audit.verifier.verify().faults == []


def test_no_worker_with_warm_caches_serves_what_was_erased(vault: Services, ada: Principal) -> None:
    stock(vault, ada)
    token, session = add_token(vault, ada, grant("read", path="*")), log_in(vault, "ada")
    with opened_again(vault) as first, opened_again(vault) as second:
        for worker in (first, second):
            assert values(worker, as_token(worker, token.secret), "prod") == {"A": "erased-value-2"}
            assert values(worker, as_session(worker, session.secret), "prod") == {"A": "erased-value-2"}
        known = [(worker, as_token(worker, token.secret)) for worker in (first, second)]
        erase(first, HOST, "ada")
        for worker, before in known:
            with pytest.raises(NotAuthenticated):
                as_token(worker, token.secret)
            with pytest.raises(NotAuthenticated):
                as_session(worker, session.secret)
            # A request that had passed the door when the erasure came.
            with pytest.raises(NotFound):
                values(worker, before, "prod")


def test_rows_that_are_put_back_afterwards_are_named(vault: Services, ada: Principal) -> None:
    stock(vault, ada)
    before = copy_of(vault)
    erase(vault, HOST, "ada")
    tables = ("users", "user_keys", "environments", "data_keys", "revisions", "credentials")
    put_back(vault, {table: before[table] for table in tables})
    faults = vault.audit.verifier.verify().faults
    owned = [row["id"] for row in before["environments"] if row["owner_id"] == ada.user_id]
    for row in (f"The row {ada.user_id} of users", *(f"The row {found} of environments" for found in owned)):
        assert f"{row} was deleted, but has been put back." in faults


def wrapped_keys(vault: Services, user_id: str) -> list[bytes]:
    own = run_sql(vault, "SELECT blob FROM user_keys WHERE owner_id = :id", id=user_id)
    data = run_sql(vault, "SELECT blob FROM data_keys WHERE owner_id = :id", id=user_id)
    # The head of a blob says what it is; what follows is the wrapped key itself.
    return [bytes(row[0])[24:] for row in [*own, *data]]


def test_no_byte_of_a_wrapped_key_is_left_in_the_files_of_sqlite(vault: Services, ada: Principal) -> None:
    if not vault.storage.is_sqlite:
        # PostgreSQL keeps dead rows until VACUUM, as the report and the README say.
        report = erase(vault, HOST, "ada")
        assert "VACUUM FULL" in next(place.sentence for place in report.remains if place.place == "database")
        return
    stock(vault, ada)
    keys = wrapped_keys(vault, ada.user_id)
    assert len(keys) == 4
    assert lying_in_files(vault, keys) == 4
    erase(vault, HOST, "ada")
    assert lying_in_files(vault, keys) == 0


def test_what_a_reader_keeps_in_the_log_goes_with_the_next_purge(vault: Services, ada: Principal) -> None:
    if not vault.storage.is_sqlite:
        return
    stock(vault, ada)
    keys = wrapped_keys(vault, ada.user_id)
    with vault.storage.reading.connect() as reader:
        reader.exec_driver_sql("BEGIN")
        reader.exec_driver_sql("SELECT * FROM users").all()
        # Within the time that a request has: a reader is waited for, but not for long.
        erase(vault, HOST, "ada")
        assert lying_in_files(vault, keys) > 0
        reader.exec_driver_sql("ROLLBACK")
    purge(vault)
    assert lying_in_files(vault, keys) == 0


def lying_in_files(vault: Services, keys: list[bytes]) -> int:
    path = vault.settings.database_url.removeprefix("sqlite:///")
    files = [found.read_bytes() for found in (Path(path), Path(path + "-wal")) if found.exists()]
    return sum(any(key in file for file in files) for key in keys)


@pytest.mark.parametrize("moment", ["statement", "commit"])
def test_a_crash_at_any_moment_leaves_all_or_nothing(vault: Services, ada: Principal, moment: str) -> None:
    stock(vault, ada)
    before = state_of(vault, ada)
    vault.storage.close()
    if moment == "commit":
        assert erase_and_die(vault, before_commit=True) == signal.SIGKILL
        assert state_of(vault, ada) == before
        return
    for number in range(200):
        ended_by = erase_and_die(vault, before_statement=number)
        if ended_by == 0:
            break
        assert ended_by == signal.SIGKILL
        assert state_of(vault, ada) == before, f"killed before statement {number}"
    assert number > 10
    assert {len(found) for found in state_of(vault, ada).values()} == {0}
    assert vault.audit.verifier.verify().faults == []


def state_of(vault: Services, who: Principal) -> dict[str, list[Any]]:
    """All rows that are somebody's, and none that were added while a child was starting."""
    found = copy_of(vault, "users", "user_keys", "data_keys", "environments", "tokens", "sessions", "credentials")
    columns = {"users": "id", "tokens": "user_id", "sessions": "user_id", "credentials": "user_id"}
    return {
        table: sorted(
            (row for row in rows if row[columns.get(table, "owner_id")] == who.user_id), key=lambda row: str(row["id"])
        )
        for table, rows in found.items()
    }


def erase_and_die(vault: Services, *, before_statement: int = -1, before_commit: bool = False) -> int:
    """Erase ada in another process, which is killed at a moment; the signal that ended it, 0 for none."""
    with warnings.catch_warnings():
        # Newer Pythons warn where other threads run; the child touches nothing of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        other = open_vault(vault.settings)
        numbers = itertools.count()

        def die_if(is_now: bool) -> None:
            if is_now:
                os.kill(os.getpid(), signal.SIGKILL)

        listen = sa.event.listens_for
        listen(other.storage.writing, "before_cursor_execute")(lambda *_: die_if(next(numbers) == before_statement))
        listen(other.storage.writing, "commit")(lambda _: die_if(before_commit))
        with other.storage.write() as unit:
            other.people.erasure.person(unit, HOST, "ada", "ada")
        os._exit(0)
    except BaseException:
        os._exit(1)


def test_a_key_that_comes_while_somebody_is_erased_goes_too(
    vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock(vault, ada)
    held, done = threading.Event(), []
    rotate = UserRotation._move_data_keys

    def slowly(rotation: UserRotation, *arguments: Any) -> None:
        held.set()
        rotate(rotation, *arguments)

    monkeypatch.setattr(UserRotation, "_move_data_keys", slowly)
    with opened_again(vault) as other:
        thread = threading.Thread(target=lambda: done.append(other.keys.people.rotate_user(HOST, ada.user_id)))
        thread.start()
        held.wait(HANG_SECONDS)
        erase(vault, HOST, "ada")
        thread.join(HANG_SECONDS)
    assert len(done) == 1
    assert run_sql(vault, "SELECT 1 FROM user_keys WHERE owner_id = :id", id=ada.user_id) == []
    assert vault.audit.verifier.verify().faults == []


def test_the_password_that_proved_it_must_still_be_the_password(vault: Services, ada: Principal) -> None:
    with pytest.raises(BadLogin):
        erase_oneself(vault, ada, "wrong password!")
    proof = vault.people.accounts.prove(ada, PASSWORD)
    change_password(vault, ada, PASSWORD, "another gravel lantern otter")
    with pytest.raises(BadLogin):
        write(vault, lambda unit: vault.people.erasure.own(unit, ada, proof))
    assert run_sql(vault, "SELECT 1 FROM users WHERE id = :id", id=ada.user_id)


def test_nobody_but_an_operator_erases_somebody_else(vault: Services, ada: Principal, bob: Principal) -> None:
    token = as_token(vault, add_token(vault, ada, grant("read", path="*")).secret)
    for who in (ada, token):
        with pytest.raises(Forbidden):
            erase(vault, who, "bob")
    with pytest.raises(Forbidden):
        write(vault, lambda unit: vault.people.erasure.own(unit, token, bob))  # type: ignore[arg-type] # Refused before it is looked at.
    with pytest.raises(NotFound):
        erase(vault, HOST, "nobody")
    with pytest.raises(InvalidInput):
        erase(vault, HOST, "bob", "ada")
    assert values(vault, bob, None) == {}


@pytest.fixture
def operator(vault: Services) -> Principal:
    return add_person(vault, "root", Role.OPERATOR)


def test_the_last_operator_stays(vault: Services, operator: Principal, ada: Principal) -> None:
    with pytest.raises(Conflict, match="last active operator"):
        erase_oneself(vault, operator)
    second = add_person(vault, "second", Role.OPERATOR)
    for call in (
        lambda unit: vault.people.erasure.person(unit, operator, "root", "root"),
        lambda unit: vault.people.accounts.set_state(unit, operator, operator.user_id, active=False),
        lambda unit: vault.people.accounts.set_role(unit, operator, "root", Role.USER),
    ):
        with pytest.raises(Conflict, match="your own account"):
            write(vault, call)
    write(vault, lambda unit: vault.people.accounts.set_state(unit, operator, "second", active=False))
    # One who is disabled is no operator that could go on: the vault would be without.
    with pytest.raises(Conflict, match="last active operator"):
        write(vault, lambda unit: vault.people.accounts.set_role(unit, second, "root", Role.USER))
    write(vault, lambda unit: vault.people.accounts.set_role(unit, operator, "second", Role.USER))
    assert vault.people.accounts.has_operator(HOST)


def test_two_operators_cannot_take_each_other_away_at_the_same_time(vault: Services, operator: Principal) -> None:
    second = add_person(vault, "second", Role.OPERATOR)
    start, outcomes = threading.Barrier(2), []

    def demote(who: Principal, other: str) -> None:
        with opened_again(vault) as worker:
            start.wait(HANG_SECONDS)
            try:
                write(worker, lambda unit: worker.people.accounts.set_role(unit, who, other, Role.USER))
                outcomes.append("done")
            except Conflict:
                outcomes.append("refused")

    threads = [threading.Thread(target=demote, args=pair) for pair in ((operator, "second"), (second, "root"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_SECONDS)
    assert sorted(outcomes) == ["done", "refused"]
    assert vault.people.accounts.has_operator(HOST)


def test_the_host_may_take_the_last_operator_away(vault: Services, operator: Principal) -> None:
    erase(vault, HOST, "root")
    assert not vault.people.accounts.has_operator(HOST)


def test_whoever_knows_of_backups_tells_of_them_in_the_report(vault: Services, ada: Principal) -> None:
    class Known(UnknownArchives):
        def remains(self, erased_us: int) -> tuple[Remains, ...]:
            return (Remains("backups", erased_us + 1, "The last archive ends then."),)

    vault.people.erasure._archives = Known()
    report = erase(vault, HOST, "ada")
    assert report.remains[0] == Remains("backups", report.erased_us + 1, "The last archive ends then.")


def test_the_report_holds_no_name(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "canary-environment", canary_name="canary-value")
    told = str(erase(vault, HOST, "ada"))
    assert "canary" not in told
    assert "ada" not in told.replace(ada.user_id, "")


def test_every_table_is_looked_at_here() -> None:
    # A new table with somebody's rows must be thought of: whose are they, and do they go with their person?
    known = {"users", "user_keys", "data_keys", "environments", "revisions", "layers", "credentials", "sessions"}
    known |= {"tokens", "grants", "changes", "idempotency", "wrapped_answers", "known_addresses", "challenges"}
    others = {"vault_state", "master_keys", "system_secrets", "destroyed_keys", "audit_events", "audit_head"}
    others |= {"audit_pruned", "throttle", "workers", "leases", "lock_flag", "row_formats", "schema_readers", "feed"}
    known |= {"sync_tickets", "read_marks", "client_key_sets", "client_key_slots", "unlock_keys", "content_key_wraps"}
    known |= {"oauth_clients", "machine_credentials", "oauth_codes", "refresh_families", "refresh_tokens", "trusts"}
    known |= {"used_jtis", "access_tokens"}
    assert set(metadata.tables) == known | others


def test_the_vault_itself_erases_nobody_by_accident(vault: Services, ada: Principal) -> None:
    with pytest.raises(InvalidInput):
        erase(vault, vault_itself("purge"), "ada", "bob")


def test_a_session_s_copy_in_redis_is_buried(vault: Services, ada: Principal, redis_url: str) -> None:
    with opened_again(vault, redis_url=redis_url) as first, opened_again(vault, redis_url=redis_url) as second:
        session = log_in(first, "ada")
        for worker in (first, second):
            assert as_session(worker, session.secret).user_id == ada.user_id
        erase(first, HOST, "ada")
        for worker in (first, second):
            with pytest.raises(NotAuthenticated):
                as_session(worker, session.secret)
