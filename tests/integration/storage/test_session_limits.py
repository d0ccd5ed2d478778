"""PostgreSQL: no session holds a lock for long, and a connection that is of no use leaves both pools."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from tests.conftest import FreshDatabase
from tests.support.servers import database_name
from vault.errors import DatabaseUnavailable
from vault.storage import Storage, UnitOfWork
from vault.storage.database.session_limits import LONG, ORDINARY, SessionLimits
from vault.storage.walks.snapshot import snapshot

HURRIED = SessionLimits(idle_seconds=1, lock_seconds=2)
LIMITS = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"
NAMES = [
    "client_connection_check_interval",
    "idle_in_transaction_session_timeout",
    "lock_timeout",
    "tcp_keepalives_count",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_user_timeout",
]
EXPECTED = {
    "client_connection_check_interval": "5000",
    "idle_in_transaction_session_timeout": str(ORDINARY.idle_seconds * 1000),
    "lock_timeout": str(ORDINARY.lock_seconds * 1000),
    "tcp_keepalives_count": "3",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_user_timeout": "10000",
}


@pytest.fixture
def url(fresh_database: FreshDatabase) -> str:
    """A database with the one row that the tests quarrel over."""
    url = fresh_database("postgresql", migrated=False)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE quarrel (id int PRIMARY KEY, said text)")
        connection.execute("INSERT INTO quarrel VALUES (1, '')")
    return url


@pytest.fixture
def open_storage(url: str) -> Iterator[Callable[[SessionLimits], Storage]]:
    """Opens the database with some limits, as often as a test needs."""
    opened: list[Storage] = []

    def open_with(limits: SessionLimits) -> Storage:
        opened.append(Storage(url, limits=limits))
        return opened[-1]

    yield open_with
    for storage in opened:
        storage.close()


def say(unit: UnitOfWork, word: str) -> None:
    unit.connection.execute(sa.text("UPDATE quarrel SET said = :word"), {"word": word})


def write(storage: Storage, word: str) -> None:
    with storage.write() as unit:
        say(unit, word)


def said(storage: Storage) -> str:
    with storage.read() as unit:
        return str(unit.connection.execute(sa.text("SELECT said FROM quarrel")).scalar_one())


def settings_of(connection: sa.Connection) -> dict[str, str]:
    return dict(map(tuple, connection.exec_driver_sql(LIMITS, (NAMES,))))


def test_every_session_has_the_limits(open_storage: Callable[[SessionLimits], Storage]) -> None:
    storage = open_storage(ORDINARY)
    with storage.read() as unit:
        assert settings_of(unit.connection) == EXPECTED
    with storage.write() as unit:
        assert settings_of(unit.connection) == EXPECTED
    assert dict(map(tuple, storage.driver.fetch(LIMITS, (NAMES,)))) == EXPECTED


def test_a_snapshot_may_stand_still_for_longer_and_the_session_not_afterwards(
    open_storage: Callable[[SessionLimits], Storage],
) -> None:
    storage = open_storage(ORDINARY)
    with snapshot(storage) as moment:
        assert settings_of(moment._connection)["idle_in_transaction_session_timeout"] == str(LONG.idle_seconds * 1000)
    with storage.read() as unit:
        assert settings_of(unit.connection) == EXPECTED


def test_the_server_can_tell_which_host_a_session_is_of(open_storage: Callable[[SessionLimits], Storage]) -> None:
    with open_storage(ORDINARY).write() as unit:
        name = unit.connection.exec_driver_sql("SHOW application_name").scalar_one()
    assert name.startswith("strongroom ")


def test_who_waits_behind_a_transaction_that_never_ends_is_told_why(
    url: str, open_storage: Callable[[SessionLimits], Storage]
) -> None:
    storage = open_storage(HURRIED)
    with psycopg.connect(url) as cut_off:
        cut_off.execute("UPDATE quarrel SET said = 'held'")
        with pytest.raises(DatabaseUnavailable, match="Another change holds") as caught:
            write(storage, "mine")
        assert caught.value.retry_after_seconds
        # Not tried again and again, each time with a wait of its own.
        with pytest.raises(DatabaseUnavailable, match="Another change holds"):
            storage.transaction(lambda unit: say(unit, "mine"))
    write(storage, "mine")
    assert said(storage) == "mine"


def test_a_transaction_that_stands_still_is_ended_and_the_next_gets_its_lock(
    open_storage: Callable[[SessionLimits], Storage],
) -> None:
    frozen, other = open_storage(HURRIED), open_storage(SessionLimits(idle_seconds=60, lock_seconds=10))

    def stand_still() -> None:
        with frozen.write() as unit:
            say(unit, "frozen")
            write(other, "other")
            say(unit, "thawed")

    with pytest.raises(DatabaseUnavailable, match="idle for too long"):
        stand_still()
    assert said(other) == "other"
    write(frozen, "again")
    assert said(frozen) == "again"


def test_one_that_was_ended_before_its_commit_is_known_not_to_be_stored(
    open_storage: Callable[[SessionLimits], Storage],
) -> None:
    frozen, other = open_storage(HURRIED), open_storage(SessionLimits(idle_seconds=60, lock_seconds=10))

    def stand_still_at_the_end() -> None:
        with frozen.write() as unit:
            say(unit, "frozen")
            write(other, "other")

    with pytest.raises(DatabaseUnavailable, match="Nothing was stored"):
        stand_still_at_the_end()
    assert said(other) == "other"


def _pids(storage: Storage) -> set[int]:
    """The server's processes behind one connection of each kind."""
    ask = "SELECT pg_backend_pid()"
    # The driver's first: it takes its connection out of the pool of reads.
    pids = {int(storage.driver.fetch(ask, ())[0][0])}
    for engine in (storage.reading, storage.writing):
        with engine.connect() as connection:
            pids.add(connection.exec_driver_sql(ask).scalar_one())
    assert len(pids) == 3
    return pids


def test_after_a_demotion_no_pool_keeps_a_connection(
    url: str, open_storage: Callable[[SessionLimits], Storage]
) -> None:
    demote = psycopg.sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on")
    promote = psycopg.sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only")
    database = psycopg.sql.Identifier(database_name(url))
    storage = open_storage(ORDINARY)
    with psycopg.connect(url, autocommit=True) as administrator:
        administrator.execute(demote.format(database))
        before = _pids(storage)
        # The address leads to a primary again, and the sessions that are open do not.
        administrator.execute("SET default_transaction_read_only = off")
        administrator.execute(promote.format(database))
    with pytest.raises(DatabaseUnavailable, match="takes no writes"):
        write(storage, "mine")
    write(storage, "mine")
    assert not before & _pids(storage)
    assert said(storage) == "mine"


def _demoted(url: str, during: Callable[[], None]) -> None:
    """Do something while the address leads to a server that takes no writes."""
    database = psycopg.sql.Identifier(database_name(url))
    with psycopg.connect(url, autocommit=True) as administrator:
        administrator.execute(
            psycopg.sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(database)
        )
        during()
        administrator.execute("SET default_transaction_read_only = off")
        administrator.execute(psycopg.sql.SQL("ALTER DATABASE {} RESET ALL").format(database))


def _readers(storage: Storage) -> set[int]:
    """The server's processes behind a connection of each kind that only reads."""
    ask = "SELECT pg_backend_pid()"
    pids = {int(storage.driver.fetch(ask, ())[0][0])}
    with storage.read() as unit:
        pids.add(unit.connection.exec_driver_sql(ask).scalar_one())
    return pids


@pytest.mark.parametrize("before", ["nothing", "a refused write", "a lost connection"])
def test_nobody_goes_on_reading_from_a_standby_that_was_left_behind(
    url: str, open_storage: Callable[[SessionLimits], Storage], before: str
) -> None:
    storage = open_storage(ORDINARY)
    left_behind: set[int] = set()

    def meanwhile() -> None:
        if before == "a refused write":
            with pytest.raises(DatabaseUnavailable, match="takes no writes"):
                write(storage, "refused")
        if before == "a lost connection":
            # No error of the server tells of it.
            [(_, idle)] = storage.driver._idle
            with socket.socket(fileno=os.dup(idle.fileno())) as lost:
                lost.shutdown(socket.SHUT_RDWR)
        # These connections know no error. Only their server is the wrong one.
        left_behind.update(_readers(storage))

    if before == "a lost connection":
        # From here on the primary is known, and only the loss of a connection makes it doubtful.
        write(storage, "earlier")
        _readers(storage)
    _demoted(url, meanwhile)
    write(storage, "mine")
    assert not left_behind & _readers(storage)


def test_writes_keep_their_connections_while_nothing_is_wrong(
    open_storage: Callable[[SessionLimits], Storage],
) -> None:
    storage = open_storage(ORDINARY)
    for _ in range(2):
        write(storage, "mine")
    before = _pids(storage)
    for _ in range(5):
        write(storage, "mine")
    assert _pids(storage) == before


@pytest.mark.parametrize("noticed_by", ["read", "write", "driver"])
def test_after_one_session_was_ended_the_others_are_not_used_either(
    url: str, open_storage: Callable[[SessionLimits], Storage], noticed_by: str
) -> None:
    storage = open_storage(ORDINARY)
    uses: dict[str, Callable[[], Any]] = {
        "read": lambda: said(storage),
        "write": lambda: write(storage, "mine"),
        "driver": lambda: storage.driver.fetch("SELECT 1", ()),
    }
    before = _pids(storage)
    with psycopg.connect(url, autocommit=True) as administrator:
        administrator.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s) AS pid", (list(before),))
    # The first may fail: nobody has looked at its connection since.
    with contextlib.suppress(DatabaseUnavailable):
        uses[noticed_by]()
    for use in uses.values():
        use()
    assert not before & _pids(storage)


def test_a_database_that_stays_read_only_does_not_cost_a_connection_for_every_refusal(
    open_storage: Callable[[SessionLimits], Storage],
) -> None:
    storage = open_storage(ORDINARY)
    readers: set[int] = set()

    def be_refused() -> None:
        with storage.write() as unit:
            unit.connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            say(unit, "refused")

    started = time.monotonic()
    for _ in range(10):
        with pytest.raises(DatabaseUnavailable):
            be_refused()
        with storage.read() as reading:
            readers.add(reading.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
    # One a second, and the one before the first refusal.
    assert len(readers) <= 2 + (time.monotonic() - started)
