"""A standby takes over from the primary, and the old primary comes back without taking writes.

Two real clusters, one of which streams from the other. Nothing is restarted but PostgreSQL: writes work again,
readiness tells the truth meanwhile, and nobody reads from the server that was left behind.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.integration.faults.conftest import QUICK_HASHES, Caller, Load, Stack, add_people
from tests.support.forwarder import Forwarder
from tests.support.patience import eventually
from tests.support.servers import Postgres, database_name
from tests.support.serving import RunningServer
from tests.support.standby import Standby, demote, promote
from tests.support.vaults import add_person, make_vault
from vault.app import open_vault
from vault.errors import CursorExpired, DatabaseUnavailable
from vault.services import Services
from vault.storage import Storage, migrate

BACK_SECONDS = 10.0
"""How long the change to another server may take on an idle machine: one turn of each job, and new connections."""


@pytest.fixture
def pair() -> Iterator[tuple[Postgres, Standby]]:
    """A primary, and a standby that streams from it."""
    with Postgres() as primary, Standby(primary) as standby:
        yield primary, standby


# -- One address, which leads to the primary --------------------------------------------------------------------


def write(caller: Caller, value: str) -> int:
    return caller("PATCH", "/globals/variables", {"variables": {"A": value}}).status


def works_again(stack: Stack, secret: str, value: str) -> None:
    """Every worker writes and is ready, and each read has the newest value."""
    callers = [stack.caller(secret) for _ in range(6)]
    assert eventually(lambda: {write(caller, value) for caller in callers} == {200}, BACK_SECONDS)
    assert eventually(lambda: {caller.at("GET", "/readyz").status for caller in callers} == {200}, BACK_SECONDS)
    assert eventually(lambda: _read(callers) == {value}, BACK_SECONDS)
    assert [_read(callers) for _ in range(5)] == [{value}] * 5


def _read(callers: list[Caller]) -> set[str]:
    return {caller.ok("GET", "/globals/values")["values"]["A"] for caller in callers}


def takes_no_writes(stack: Stack, secret: str) -> None:
    """Reads go on. Writes get 503 with a time to try again. Every worker says that it is not ready, and why."""
    caller = stack.caller(secret)
    assert eventually(lambda: caller("GET", "/globals/values").status == 200, BACK_SECONDS)
    reply = caller("PATCH", "/globals/variables", {"variables": {"A": "lost"}})
    assert (reply.status, reply.json["code"]) == (503, "database_unavailable")
    assert "retry-after" in reply.headers
    callers = [stack.caller() for _ in range(6)]

    def reasons() -> set[tuple[int, str]]:
        answers = [each.at("GET", "/readyz") for each in callers]
        return {(answer.status, ",".join(answer.json.get("reasons", ()))) for answer in answers}

    assert eventually(lambda: reasons() == {(503, "database_read_only")}, BACK_SECONDS)
    assert {each.at("GET", "/livez").status for each in callers} == {200}


@contextlib.contextmanager
def served(folder: Path, primary: Postgres, forwarder: Forwarder) -> Iterator[Stack]:
    """A server with two workers, whose database's address is the forwarder's."""
    url = primary.create_database().replace(f":{primary.port}/", f":{forwarder.port}/")
    environ = {
        "STRONGROOM_DATA_DIR": str(folder / "data"),
        "STRONGROOM_KEYRING": str(folder / "keys" / "master.json"),
        "STRONGROOM_DATABASE_URL": url,
        "STRONGROOM_WORKERS": "2",
        **QUICK_HASHES,
    }
    add_people(environ, 1)
    with RunningServer(folder, environ) as server:
        stack = Stack(server, primary, None)
        try:
            yield stack
        finally:
            stack.close()


def test_behind_one_address_writes_work_again_without_a_restart(pair: tuple[Postgres, Standby], tmp_path: Path) -> None:
    first, second = pair
    with Forwarder(first.port) as forwarder, served(tmp_path, first, forwarder) as stack:
        person = stack.log_in()
        secret, workers = person.secret, stack.workers()
        works_again(stack, secret, "first")
        second.catch_up()
        readers = [stack.caller(secret) for _ in range(2)]
        with Load([functools.partial(reader, "GET", "/globals/values") for reader in readers]) as load:
            # The old primary is back behind the address before anybody has moved the address.
            demote(first)
            takes_no_writes(stack, secret)
            promote(second)
            # Connections to the old primary stay open.
            forwarder.lead_to(second.port)
            works_again(stack, secret, "second")
            with Standby(second) as third:
                third.catch_up()
                # This time no session ends. The server only begins to refuse writes.
                second.execute(sql.SQL("ALTER SYSTEM SET default_transaction_read_only = on"))
                second.execute(sql.SQL("SELECT pg_reload_conf()"))
                takes_no_writes(stack, secret)
                promote(third)
                third.execute(sql.SQL("ALTER SYSTEM RESET default_transaction_read_only"))
                third.execute(sql.SQL("SELECT pg_reload_conf()"))
                forwarder.lead_to(third.port)
                works_again(stack, secret, "third")
        assert (load.statuses() - {503}, load.broken) == ({200}, [])
        assert stack.workers() == workers


# -- All hosts in the address -----------------------------------------------------------------------------------


def both(primary: Postgres, standby: Postgres, url: str, form: str) -> str:
    """The address of a database on either server, in one of the forms that libpq's users write."""
    user = f"{primary.username}:{primary.password}"
    return f"postgresql://{user}@" + form.format(one=standby.port, two=primary.port, name=database_name(url))


FORMS = [
    "127.0.0.1:{one},127.0.0.1:{two}/{name}?target_session_attrs=read-write",
    "/{name}?host=127.0.0.1:{one}&host=127.0.0.1:{two}&target_session_attrs=primary",
    "/{name}?host=127.0.0.1,127.0.0.1&port={one},{two}&target_session_attrs=read-write",
]


def test_with_all_hosts_in_the_address_the_one_that_takes_writes_is_used(
    pair: tuple[Postgres, Standby], tmp_path: Path
) -> None:
    first, second = pair
    url = first.create_database()
    migrate(url)
    addresses = [both(first, second, url, form) for form in FORMS]
    vault = make_vault(tmp_path, addresses[0])
    vault.readiness.check()
    assert (vault.readiness.now().reasons, _ports_of(vault)) == ((), {first.port})
    second.catch_up()
    demote(first)
    vault.readiness.check()
    # Neither of the hosts takes writes: that is not the same as a database that only reads.
    assert vault.readiness.now().reasons == ("database_unreachable",)
    with pytest.raises(DatabaseUnavailable), vault.storage.write() as unit:
        unit.state.fence()
    promote(second)
    assert eventually(lambda: _is_ready(vault), BACK_SECONDS)
    assert _ports_of(vault) == {second.port}
    vault.audit.reads.close()
    vault.storage.close()
    for address in addresses:
        storage = Storage(address)
        with storage.write() as unit:
            assert unit.connection.exec_driver_sql("SELECT inet_server_port()").scalar_one() == second.port
        storage.close()


def _is_ready(vault: Services) -> bool:
    vault.readiness.check()
    return vault.readiness.now().ready


def _ports_of(vault: Services) -> set[int]:
    """The servers behind a connection of each kind."""
    ask = "SELECT inet_server_port()"
    ports = {int(vault.storage.driver.fetch(ask, ())[0][0])}
    for engine in (vault.storage.reading, vault.storage.writing):
        with engine.connect() as connection:
            ports.add(connection.exec_driver_sql(ask).scalar_one())
    return ports


def test_the_forwarder_leaves_open_connections_where_they_are(pair: tuple[Postgres, Standby]) -> None:
    """The tests above say nothing if it did not."""
    first, second = pair
    with Forwarder(first.port) as forwarder:
        url = first.url().replace(f":{first.port}/", f":{forwarder.port}/")
        with psycopg.connect(url, autocommit=True) as early:
            forwarder.lead_to(second.port)
            with psycopg.connect(url, autocommit=True) as late:
                ports = [each.execute("SELECT inet_server_port()").fetchone() for each in (early, late)]
    assert ports == [(first.port,), (second.port,)]


def test_a_promoted_standby_is_another_epoch_of_the_feed(pair: tuple[Postgres, Standby], tmp_path: Path) -> None:
    """A standby that did not stream everything gives change numbers again: no cursor may go on from the old primary."""
    first, second = pair
    url = first.create_database()
    vault = make_vault(tmp_path, url)
    person = add_person(vault).user_id
    with vault.storage.read() as unit:
        before = vault.sync.epochs.present(unit)
    cursor = vault.sync.cursors.seal(person, before, 0)
    second.catch_up()
    vault.close()
    first.stop()
    again = open_vault(replace(vault.settings, database_url=url.replace(f":{first.port}/", f":{second.port}/")))
    # Nobody knows yet which timeline it will be. Reads of values go on meanwhile.
    with again.storage.read() as unit:
        assert unit.users.by_id(person) is not None
        with pytest.raises(DatabaseUnavailable):
            unit.feed.epoch()
    promote(second)
    with again.storage.read() as unit:
        after = again.sync.epochs.present(unit)
    assert (after.epoch, after.timeline) == (before.epoch, before.timeline + 1)
    assert again.sync.cursors.open(person, before, cursor, 0) == 0
    with pytest.raises(CursorExpired):
        again.sync.cursors.open(person, after, cursor, 0)
    again.close()
