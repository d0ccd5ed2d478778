"""The SDK and the command follow a real server over TLS: by streams, by long polls, and over a network that cuts."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest

from tests.integration.client.conftest import Watching
from tests.integration.client.cutting_proxy import CuttingProxy
from tests.integration.sync.house import House
from tests.support.patience import HANG_SECONDS, eventually
from tests.support.serving import RunningServer
from tests.support.undertaker import watched
from tests.support.vaults import PASSWORD
from tests.unit.client.in_loop import InLoop
from vault.client import AsyncClient, Client, Grant, HttpsTransport, HttpxTransport, Request
from vault.errors import Forbidden, NotAuthenticated, NotFound, StrongroomError

Connect = Callable[..., Client]


@pytest.fixture(scope="module")
def server(_sqlite_house: House) -> RunningServer:
    """The server of all tests of the feed."""
    return _sqlite_house.server


@pytest.fixture(params=["a stream", "an asynchronous stream", "long polls"])
def connect(request: pytest.FixtureRequest, server: RunningServer) -> Iterator[Connect]:
    """Makes clients that follow in one of three ways, on the server's port or that of a proxy."""
    loop = asyncio.new_event_loop()
    clients: list[Client] = []

    def make(token: str, port: int = 0) -> Client:
        url = f"https://localhost:{port or server.port}"
        if request.param == "an asynchronous stream":
            transport = HttpxTransport(url, ca_file=server.ca_file)
            client = cast("Client", InLoop(loop, AsyncClient(url, token, transport=transport)))
        else:
            synchronous = HttpsTransport(url, ca_file=server.ca_file)
            # A wrapper without `stream` leaves only long polls.
            wrapped = Watching(synchronous) if request.param == "long polls" else synchronous
            client = Client(url, token, transport=wrapped)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
    loop.close()


@contextmanager
def new_person(house: House) -> Iterator[Client]:
    with Client(house.server.url, "", str(house.server.ca_file)) as client:
        client.login(house.person().username, PASSWORD)
        yield client


@pytest.fixture(scope="module")
def ada(_sqlite_house: House) -> Iterator[Client]:
    """The person who makes the changes."""
    with new_person(_sqlite_house) as client:
        yield client


@pytest.fixture
def prod(ada: Client) -> str:
    """A new environment with one value."""
    name = f"prod-{uuid4().hex[:8]}"
    ada.environments.create(name)
    ada.environment(name).set("A", "1")
    return name


@pytest.fixture
def token(ada: Client, prod: str) -> str:
    """The secret of a token that may read the environment and the globals."""
    grants = [Grant(("read",), environment=prod), Grant(("read",), globals=True)]
    return ada.tokens.create(f"t-{prod}", grants).secret


def test_each_different_state_comes_until_the_environment_is_gone(
    ada: Client, prod: str, token: str, connect: Connect
) -> None:
    with connect(token).watch(prod, jitter_seconds=0) as watch:
        assert next(watch)["A"] == "1"
        ada.environment(prod).set("A", "2")
        assert next(watch)["A"] == "2"
        ada.globals.set(f"G_{prod[5:]}", "3")
        assert next(watch)[f"G_{prod[5:]}"] == "3"
        ada.environment(prod).set("A", "2", description="The same value.")
        ada.environment(prod).set("A", "4")
        assert next(watch)["A"] == "4"
        ada.environments.delete(prod)
        with pytest.raises(NotFound, match="was deleted or renamed"):
            next(watch)
        assert list(watch) == []


def cursor_of_now(server: RunningServer, token: str, environment: str) -> str:
    """Ask without the SDK: the feed is asked for its place, and for nothing else."""
    transport = HttpsTransport(server.url, ca_file=server.ca_file)
    answer = transport.send(
        Request("GET", f"/api/v1/changes?environment={environment}", {"Authorization": f"Bearer {token}"})
    )
    transport.close()
    cursor: str = json.loads(answer.body)["cursor"]
    return cursor


def test_the_changes_themselves_come_and_are_resumed(
    ada: Client, server: RunningServer, prod: str, token: str, connect: Connect
) -> None:
    start = cursor_of_now(server, token, prod)
    with connect(token).changes([prod], after=start) as changes:
        ada.environment(prod).set("A", "2")
        first = next(changes)
        assert (first.type, first.kind, first.environment_name, first.affects) == ("change", "write", prod, (prod,))
        assert first.revision == 2
    ada.environment(prod).set("A", "3")
    with connect(token).changes([prod], after=first.cursor) as changes:
        assert next(changes).revision == 3
        ada.environment(prod).set("A", "4")
        assert next(changes).revision == 4


def test_all_is_what_the_token_may_read(
    ada: Client, server: RunningServer, prod: str, token: str, connect: Connect
) -> None:
    start = cursor_of_now(server, token, prod)
    ada.environments.create(f"other-{prod}")
    ada.environment(f"other-{prod}").set("A", "1")
    ada.globals.set(f"G_{prod[5:]}", "1")
    ada.environment(prod).set("A", "2")
    with connect(token).changes(after=start) as changes:
        told = [next(changes), next(changes)]
    assert {(change.environment_name, change.affects) for change in told} == {(None, ()), (prod, ())}


def test_a_cursor_of_another_person_makes_the_feed_begin_anew(
    ada: Client, sqlite_house: House, prod: str, token: str, connect: Connect
) -> None:
    server = sqlite_house.server
    with new_person(sqlite_house) as bob:
        name = f"bob-{prod}"
        bob.environments.create(name)
        of_bob = cursor_of_now(server, bob.tokens.create(name, [Grant(("read",), environment=name)]).secret, name)
    with connect(token).changes([prod], after=of_bob) as changes:
        assert next(changes).type == "reset"
        ada.environment(prod).set("A", "2")
        assert next(changes).revision == 2


# One kind of stream is enough: both come back three seconds after the end, because the server says so.
@pytest.mark.parametrize("connect", ["an asynchronous stream", "long polls"], indirect=True)
def test_a_token_that_is_revoked_ends_the_watch(ada: Client, prod: str, token: str, connect: Connect) -> None:
    with connect(token).watch(prod, jitter_seconds=0) as watch:
        next(watch)
        ada.environment(prod).set("A", "2")
        next(watch)
        for one in ada.tokens.list():
            if one.name == f"t-{prod}":
                ada.tokens.revoke(one.id)
        with pytest.raises(NotAuthenticated):
            next(watch)


def test_a_token_with_counted_uses_cannot_watch(ada: Client, prod: str, connect: Connect) -> None:
    secret = ada.tokens.create(f"c-{prod}", [Grant(("read",), environment=prod)], uses=50).secret
    with connect(secret).watch(prod) as watch:
        next(watch)
        with pytest.raises(Forbidden):
            next(watch)


def test_a_watch_lives_through_cuts_of_the_network(
    ada: Client, prod: str, token: str, connect: Connect, proxy: CuttingProxy
) -> None:
    told: list[StrongroomError | None] = []
    client = connect(token, proxy.port)
    with client.watch(prod, jitter_seconds=0, on_interruption=told.append) as watch:
        assert next(watch)["A"] == "1"
        for number in range(2, 4):
            # What tells of the change, or the answer with the values, is cut on its way.
            proxy.lose_answers(1)
            ada.environment(prod).set("A", str(number))
            assert next(watch)["A"] == str(number)
    assert proxy.cuts >= 2


@contextmanager
def command(server: RunningServer, home: Path, token: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`strongroom watch` in a process of its own, which prints to a pipe."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")}
    environ |= {"HOME": str(home), "STRONGROOM_TOKEN": token, "STRONGROOM_URL": server.url}
    environ |= {"STRONGROOM_CA_FILE": str(server.ca_file), "STRONGROOM_NO_KEYCHAIN": "1"}
    with (
        (home / "errors").open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "vault", "watch", *arguments],
            env=environ, stdout=subprocess.PIPE, stderr=errors, cwd=Path(__file__).parents[3], text=True,
        ) as process,
    ):  # fmt: skip
        yield watched(process, signal.SIGINT)


def first_line(process: subprocess.Popen[str], act: Callable[[], object]) -> str:
    """Return the first line that is printed. `act` is called until there is one."""
    assert process.stdout is not None
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)

    def is_printed() -> bool:
        act()
        return bool(poll.poll(100))

    assert eventually(is_printed, 20.0)
    return process.stdout.readline()


def test_the_command_prints_changes_until_ctrl_c(
    ada: Client, server: RunningServer, prod: str, token: str, tmp_path: Path
) -> None:
    with command(server, tmp_path, token, "-e", prod, "--json") as process:
        told = first_line(process, lambda: ada.environment(prod).set("SECRET", f"canary-{uuid4()}"))
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=HANG_SECONDS)
    found = json.loads(told)
    assert (found["type"], found["environment"]["name"], found["affects"]) == ("change", prod, [prod])
    assert process.returncode == 130
    assert (tmp_path / "errors").read_text().strip() == "strongroom: Stopped."
    assert "canary" not in told + rest


def test_the_command_ends_quietly_when_its_pipe_is_closed(
    ada: Client, server: RunningServer, prod: str, token: str, tmp_path: Path
) -> None:
    with command(server, tmp_path, token, "-e", prod) as process:
        assert f" {prod} changed, revision " in first_line(
            process, lambda: ada.environment(prod).set("A", f"{uuid4()}")
        )
        assert process.stdout is not None
        process.stdout.close()
        # No other change is needed to notice it.
        assert process.wait(HANG_SECONDS) == 0
    assert (tmp_path / "errors").read_text() == ""
