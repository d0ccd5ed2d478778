"""`run --watch --offline-for` and a real server: changes of every layer, an outage, and a token that is revoked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.cli.server.shell import Shell
from tests.support.forwarder import Forwarder
from tests.support.patience import HANG_SECONDS, eventually
from tests.support.ports import free_port
from tests.support.serving import RunningServer
from tests.support.undertaker import watched
from tests.support.vaults import PASSWORD
from tests.support.watched import DIARY
from vault.client import Client, Grant, NewToken
from vault.errors import StrongroomError

PROGRAM = DIARY + "note('start', *(os.environ.get(n) for n in 'ABG'), os.getpid())\nwhile True: time.sleep(60)\n"


@pytest.fixture
def network(server: RunningServer) -> Iterator[Forwarder]:
    """What lies between the command and the server."""
    with Forwarder(server.port) as made:
        yield made


@pytest.fixture
def eve(server: RunningServer) -> Iterator[Client]:
    """The person who makes the changes."""
    with Client(server.url, "", server.ca_file) as client:
        client.login("eve", PASSWORD)
        yield client


class Run:
    """A run of PROGRAM that is watched, and its diary."""

    def __init__(self, home: Path, process: subprocess.Popen[bytes]) -> None:
        self._home = home
        self.process = process

    def until(self, *values: str) -> None:
        """Wait until the last program was started with these values of A, B and G."""
        assert eventually(lambda: self.starts()[-1:] == [list(values)]), (self.starts(), self.said)

    def until_said(self, words: str) -> None:
        assert eventually(lambda: words in self.said), self.said

    def starts(self) -> list[list[str]]:
        path = self._home / "diary"
        return [line.split()[1:4] for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def said(self) -> str:
        return (self._home / "err").read_text()


@contextmanager
def running(server: RunningServer, network: Forwarder, home: Path, token: str, *options: str) -> Iterator[Run]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "STRONGROOM_NO_KEYCHAIN": "1",
        "STRONGROOM_URL": f"https://localhost:{network.port}",
        "STRONGROOM_CA_FILE": str(server.ca_file),
        "STRONGROOM_TOKEN": token,
    }
    words = ["run", "-e", "prod", "--watch", "--debounce=0.3", *options, "--", sys.executable, "-S", "-c", PROGRAM]
    with (home / "err").open("wb") as err:
        started = subprocess.Popen([sys.executable, "-m", "vault", *words], env=environment, cwd=home, stderr=err)
    process = watched(started, signal.SIGTERM)
    try:
        yield Run(home, process)
    finally:
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(HANG_SECONDS) == -signal.SIGTERM


def made_on(eve: Client, base: str) -> bool:
    """In its first seconds, a new vault takes no bases: its worker has not looked yet which releases there are."""
    with suppress(StrongroomError):
        eve.environments.create("prod", bases=[base])
        return True
    return False


def token_of(eve: Client) -> NewToken:
    eve.environments.create("base")
    assert eventually(lambda: made_on(eve, "base"))
    eve.environment("base").set("B", "1")
    eve.environment("prod").set("A", "1")
    eve.globals.set("G", "1")
    grants = [Grant(("list", "read"), environment=name) for name in ("prod", "base")]
    return eve.tokens.create("t", [*grants, Grant(("read",), globals=True)])


def test_a_program_follows_its_values_through_outages_until_it_is_refused(
    server: RunningServer, network: Forwarder, eve: Client, tmp_path: Path
) -> None:
    token = token_of(eve)
    with running(server, network, tmp_path, token.secret, "--offline-for=24h") as run:
        run.until("1", "1", "1")
        eve.environment("prod").set("A", "2")
        run.until("2", "1", "1")
        eve.environment("base").set("B", "2")
        run.until("2", "2", "1")
        eve.globals.set("G", "2")
        run.until("2", "2", "2")
        # A change of another environment is none of its own.
        eve.environments.create("other")
        eve.environment("other").set("A", "9")
        network.lead_to(free_port())
        network.cut()
        run.until_said("Changes are not followed at the moment")
        assert run.process.poll() is None
        assert len(run.starts()) == 4
    with running(server, network, tmp_path, token.secret, "--offline-for=24h") as run:
        # From the copy. Then the vault is back, and has other values.
        run.until_said("strongroom: Warning: The program gets the values of ")
        assert eventually(lambda: len(run.starts()) == 5)
        run.until("2", "2", "2")
        network.lead_to(server.port)
        eve.environment("prod").set("A", "3")
        run.until("3", "2", "2")
        eve.tokens.revoke(token.token.id)
        run.until_said("Changes are not followed any more: A valid credential is needed.")
        assert eventually(lambda: not list(tmp_path.rglob("*.sealed")))
        assert run.process.poll() is None
    refused = Shell(server, tmp_path)(
        "run", "-e", "prod", "--offline-for=24h", "--", "echo", "ran",
        STRONGROOM_TOKEN=token.secret, STRONGROOM_URL=f"https://localhost:{network.port}",
    )  # fmt: skip
    assert (refused.returncode, refused.stdout) == (2, "")
