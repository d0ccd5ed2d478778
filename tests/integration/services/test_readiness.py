"""Readiness tells the truth: what keeps a worker from reading, recording or writing is named, and nothing else is."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from tests.conftest import FreshDatabase
from tests.contract.opaque_provider import OpaqueProvider
from tests.support.rotating import opened_with
from tests.support.servers import database_name
from tests.support.vaults import HOST, add_person, make_vault
from vault.app import build_app
from vault.errors import DatabaseUnavailable
from vault.jobs import Jobs
from vault.observe import metrics
from vault.services import Services
from vault.services.audit.forward import Forwarder
from vault.services.keys.locking import lock, unlock
from vault.services.readiness import OVERDUE_SECONDS, SENTENCES, Readiness
from vault.services.sync.pulse import LATE_SECONDS, Pulse

Open = Callable[..., Services]


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def open_vault(tmp_path: Path, fresh_database: FreshDatabase) -> Iterator[Open]:
    opened: list[Services] = []

    def make(kind: str, **changes: object) -> Services:
        opened.append(make_vault(tmp_path, fresh_database(kind), **changes))  # type: ignore[arg-type]  # settings of several types
        return opened[-1]

    yield make
    for vault in opened:
        vault.audit.reads.close()
        vault.storage.close()


def seen(vault: Services) -> tuple[str, ...]:
    """The reasons of a look at this moment."""
    vault.readiness.check()
    return vault.readiness.now().reasons


def ask(vault: Services) -> tuple[int, dict[str, object]]:
    answer = build_app(vault).test_client().get("/readyz")
    return answer.status_code, answer.get_json()


def execute(vault: Services, statement: str) -> None:
    with vault.storage.writing.begin() as connection:
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_worker_that_can_do_its_work_is_ready_and_leaves_nothing_behind(open_vault: Open, kind: str) -> None:
    vault = open_vault(kind)
    assert seen(vault) == ()
    assert ask(vault) == (200, {"status": "ok"})
    with vault.storage.read() as unit:
        assert unit.connection.exec_driver_sql("SELECT count(*) FROM leases").scalar_one() == 0


def test_an_answer_costs_no_statement(open_vault: Open) -> None:
    vault = open_vault("sqlite")
    app = build_app(vault).test_client()
    assert app.get("/readyz").status_code == 200
    statements: list[str] = []
    for engine in (vault.storage.reading, vault.storage.writing):
        sa.event.listen(engine, "before_cursor_execute", lambda *seen: statements.append(seen[2]))
    for _ in range(20):
        assert app.get("/readyz").status_code == 200
    assert statements == []


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ("SELECT 1 FROM vault_state FOR UPDATE", ("database_held",)),
        ("LOCK TABLE leases IN ACCESS EXCLUSIVE MODE", ("database_held",)),
        # One person's writes wait, and all others go on.
        ("SELECT 1 FROM users FOR UPDATE", ()),
        ("SELECT 1 FROM vault_state FOR SHARE", ()),
    ],
)
def test_a_write_that_cannot_end_is_told(open_vault: Open, held: str, expected: tuple[str, ...]) -> None:
    vault = open_vault("postgresql")
    add_person(vault, "ada")
    with contextlib.closing(psycopg.connect(vault.settings.database_url)) as session:
        session.execute(held.encode())
        assert seen(vault) == expected
    assert seen(vault) == ()


def test_a_frozen_probe_of_another_host_is_nobodys_reason(open_vault: Open) -> None:
    vault = open_vault("postgresql")
    with contextlib.closing(psycopg.connect(vault.settings.database_url)) as session:
        session.execute("SELECT 1 FROM vault_state FOR SHARE")
        session.execute("INSERT INTO leases (name, holder, until_us) VALUES ('readiness x', 'x', 0)")
        assert seen(vault) == ()


def test_another_writer_of_sqlite_that_does_not_end_is_told(open_vault: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.storage.database.engine.SQLITE_BUSY_SECONDS", 0.2)
    vault = open_vault("sqlite")
    with contextlib.closing(sqlite3.connect(vault.storage.url.database or "")) as other:
        other.execute("BEGIN IMMEDIATE")
        assert seen(vault) == ("database_held",)
    assert seen(vault) == ()


def test_a_database_that_takes_no_writes_is_told_and_comes_back_without_a_restart(open_vault: Open) -> None:
    vault = open_vault("postgresql")
    database = psycopg.sql.Identifier(database_name(vault.settings.database_url))
    vault.storage.close()
    with contextlib.closing(psycopg.connect(vault.settings.database_url, autocommit=True)) as administrator:
        demote = psycopg.sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on")
        administrator.execute(demote.format(database))
        assert seen(vault) == ("database_read_only",)
        status, body = ask(vault)
        assert (status, body["code"]) == (503, "not_ready")
        assert body["reasons"] == {"database_read_only": SENTENCES["database_read_only"]}
        administrator.execute("SET default_transaction_read_only = off")
        administrator.execute(psycopg.sql.SQL("ALTER DATABASE {} RESET ALL").format(database))
    # The first look may still have had a session of before; that one is gone now.
    seen(vault)
    assert seen(vault) == ()


def test_a_database_out_of_reach_is_told(open_vault: Open) -> None:
    vault = open_vault("postgresql")
    gone = vault.storage.url.set(database="nobody_made_this")
    lost = type(vault.storage)(gone.render_as_string(hide_password=False))
    lost.signer = vault.storage.signer
    readiness = _readiness(vault, storage=lost)
    readiness.check()
    assert readiness.now().reasons == ("database_unreachable",)
    lost.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE throttle RENAME COLUMN failures TO faults",
        "ALTER TABLE challenges RENAME TO riddles",
        "UPDATE alembic_version SET version_num = '9999'",
        "DROP INDEX ix_tokens_user",
        "CREATE UNIQUE INDEX mine ON tokens (name)",
    ],
)
def test_another_schema_is_told(open_vault: Open, kind: str, statement: str) -> None:
    vault = open_vault(kind)
    execute(vault, statement)
    assert seen(vault) == ("wrong_schema",)


@pytest.mark.parametrize("name", ["SQLITE_FULL", "SQLITE_READONLY_DBMOVED", "SQLITE_IOERR_WRITE"])
def test_what_sqlite_says_of_its_disk_is_told(open_vault: Open, name: str) -> None:
    vault = open_vault("sqlite")
    expected = {"SQLITE_FULL": "database_full", "SQLITE_READONLY_DBMOVED": "database_read_only"}

    def refuse(*_: object) -> None:
        error = sqlite3.OperationalError("disk")
        error.sqlite_errorname = name
        raise sa.exc.OperationalError("INSERT", {}, error)

    sa.event.listen(vault.storage.writing, "before_cursor_execute", refuse)
    assert seen(vault) == (expected.get(name, "database_unreachable"),)


def test_a_spool_without_room_or_a_place_is_told(open_vault: Open, tmp_path: Path) -> None:
    full = open_vault("sqlite", spool_bytes=1 << 10)
    assert seen(full) == ("spool_full",)


def test_a_spool_that_takes_no_writes_is_told(open_vault: Open) -> None:
    vault = open_vault("sqlite")
    folder = vault.settings.data_dir / "spool"
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("root writes where the mode forbids it, so the directory is a file")
    assert seen(vault) == ("spool_full",)
    folder.unlink()
    assert seen(vault) == ()


def test_a_look_really_stores_something(open_vault: Open) -> None:
    vault = open_vault("sqlite")
    with contextlib.closing(sqlite3.connect(vault.storage.url.database or "")) as other:
        before = other.execute("PRAGMA data_version").fetchone()
        seen(vault)
        assert other.execute("PRAGMA data_version").fetchone() != before


def test_the_job_looks_every_few_seconds_and_sooner_while_something_is_wrong(
    open_vault: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault, clock = open_vault("sqlite"), Clock()
    readiness = _readiness(vault, clock=clock)
    checked: list[float] = []
    look = readiness._look

    def noted() -> tuple[str, ...]:
        checked.append(clock.seconds)
        return look()

    monkeypatch.setattr(readiness, "_look", noted)
    readiness.turn()
    started = clock.seconds
    clock.seconds += 2
    readiness.turn()
    assert checked == [started]
    readiness.lost(DatabaseUnavailable())
    assert readiness.now().reasons == ("database_held",)
    clock.seconds += 2
    readiness.turn()
    assert (readiness.now().reasons, checked) == ((), [started, started + 4])


def test_a_lock_is_told_at_once_and_asks_for_no_look(open_vault: Open) -> None:
    vault = open_vault("sqlite")
    assert seen(vault) == ()
    lock(vault.storage, HOST)
    with vault.storage.read() as unit:
        vault.instance.heed_lock(unit)
    assert vault.readiness.now().reasons == ("locked",)
    assert ask(vault)[0] == 503
    assert build_app(vault).test_client().get("/v1/sys/health").status_code == 503
    unlock(vault.storage, HOST)
    with vault.storage.read() as unit:
        vault.instance.refresh(unit)
    assert vault.readiness.now().reasons == ()


def test_a_look_that_does_not_end_is_told(open_vault: Open) -> None:
    vault, clock = open_vault("sqlite"), Clock()
    readiness = _readiness(vault, clock=clock)
    assert readiness.now().reasons == ()
    clock.seconds += OVERDUE_SECONDS + 1
    # A look that has begun and does not end keeps everybody else from looking.
    with readiness._checking:
        assert readiness.now().reasons == ("check_overdue",)
    assert readiness.now().reasons == ()


def test_a_provider_that_is_away_is_a_reason_once_kept_keys_have_expired(
    open_vault: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    opaque, clock = OpaqueProvider(), Clock()
    vault = opened_with(open_vault("sqlite").settings, opaque)
    vault.keys.master.rotate(HOST, "opaque", wait_seconds=0)
    readiness = _readiness(vault, clock=clock)
    readiness.check()
    assert (readiness.now().reasons, readiness.now().degraded) == ((), ())

    def away(_self: object) -> None:
        from vault.errors import KeyProviderUnavailable

        raise KeyProviderUnavailable()

    with monkeypatch.context() as patch:
        patch.setattr(OpaqueProvider, "probe", away)
        clock.seconds += 31
        readiness.check()
        assert (readiness.now().reasons, readiness.now().degraded) == ((), ("key_provider_away",))
        clock.seconds += vault.settings.key_cache_seconds + 1
        readiness.check()
        assert (readiness.now().reasons, readiness.now().degraded) == (("keys_unavailable",), ())
    readiness.check()
    assert readiness.now().reasons == ()
    vault.storage.close()


def test_what_a_worker_does_without_is_told_and_it_stays_ready(
    open_vault: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = open_vault("sqlite")
    monkeypatch.setattr(Forwarder, "trouble", lambda _self: "The target siem.example.org refuses.")
    seen(vault)
    status, body = ask(vault)
    assert (status, body) == (
        200,
        {"status": "degraded", "degraded": {"audit_forward_stuck": SENTENCES["audit_forward_stuck"]}},
    )


def test_a_feed_that_tells_nothing_any_more_is_told(open_vault: Open) -> None:
    vault = open_vault("sqlite")
    seen(vault)
    clock = [100.0]
    pulse = Pulse(lambda: clock[0])
    readiness = _readiness(vault, pulse=pulse)
    pulse.begin()
    clock[0] += LATE_SECONDS
    assert readiness.now().degraded == ()
    clock[0] += 1
    assert (readiness.now().reasons, readiness.now().degraded) == ((), ("feed_stuck",))
    readiness.publish()
    assert f"strongroom_feed_silent_seconds {LATE_SECONDS + 1}" in metrics().scrape().decode()
    pulse.beat()
    assert readiness.now().degraded == ()


def test_the_reasons_are_metrics_from_the_start(open_vault: Open) -> None:
    vault = open_vault("sqlite", spool_bytes=1 << 10)
    vault.readiness.publish()
    text = metrics().scrape().decode()
    assert 'strongroom_not_ready{reason="spool_full"} 1.0' in text
    assert 'strongroom_not_ready{reason="database_held"} 0.0' in text
    assert 'strongroom_degraded{reason="redis_away"} 0.0' in text


def test_the_vault_face_tells_the_same(open_vault: Open) -> None:
    vault = open_vault("sqlite", spool_bytes=1 << 10)
    app = build_app(vault).test_client()
    answer = app.get("/v1/sys/health")
    assert (answer.status_code, answer.get_json()["standby"], answer.get_json()["sealed"]) == (429, True, False)
    assert app.get("/v1/sys/health?standbycode=473").status_code == 473
    assert app.get("/v1/sys/health?standbyok=true").status_code == 200


def test_a_job_looks_by_itself(open_vault: Open) -> None:
    vault = open_vault("sqlite")
    names = {thread.name for thread in Jobs(vault)._threads}
    assert {"ready", "tell"} <= names


def _readiness(vault: Services, **changes: object) -> Readiness:
    from vault.storage import NoCache

    given = {
        "storage": vault.storage, "instance": vault.instance, "reads": vault.audit.reads, "cache": NoCache(),
        "forwarder": vault.audit.forwarder, "key_cache_seconds": vault.settings.key_cache_seconds,
        "pulse": vault.sync.pulse,
    }  # fmt: skip
    return Readiness(**{**given, **changes})  # type: ignore[arg-type]  # collaborators of several types
