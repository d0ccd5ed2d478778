"""`run --watch --offline-for` and a real server: changes of every layer, an outage, and a token that is revoked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.server.test_command import PASSWORD, Shell
from tests.support.patience import HANG_SECONDS, eventually
from tests.support.serving import RunningServer
from tests.support.undertaker import watched
from tests.support.watched import DIARY
from vault import settings
from vault.app import open_vault, prepare_vault
from vault.model.principal import host_operator

PROGRAM = DIARY + "note('start', *(os.environ.get(n) for n in 'ABG'), os.getpid())\nwhile True: time.sleep(60)\n"


class Vault:
    """A server that can be stopped and started again at the same address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        environ = {
            "STRONGROOM_DATA_DIR": str(folder / "data"),
            "STRONGROOM_KEYRING": str(folder / "keys" / "master.json"),
            "STRONGROOM_WORKERS": "1",
        }
        (folder / "data").mkdir()
        chosen = settings.load(environ)
        prepare_vault(chosen)
        services = open_vault(chosen)
        with services.storage.write() as unit:
            services.people.accounts.add(unit, host_operator("test"), "ada", PASSWORD)
        services.storage.close()
        self.running = RunningServer(folder, environ, factory="vault.app:create_app")
        self._environ = environ | {"STRONGROOM_BIND": f"127.0.0.1:{self.running.port}"}

    def start(self) -> None:
        self.running = RunningServer(self._folder, self._environ, factory="vault.app:create_app")


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    (tmp_path / "server").mkdir()
    made = Vault(tmp_path / "server")
    yield made
    made.running.stop()


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
def running(vault: Vault, home: Path, token: str, *options: str) -> Iterator[Run]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "STRONGROOM_NO_KEYCHAIN": "1",
        "STRONGROOM_URL": vault.running.url,
        "STRONGROOM_CA_FILE": str(vault.running.ca_file),
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


def test_a_program_follows_its_values_through_outages_until_it_is_refused(vault: Vault, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    shell = Shell(vault.running, home)
    assert shell("login", "ada", "--password", "-", stdin=PASSWORD + "\n").returncode == 0
    assert shell("env", "create", "base").returncode == 0
    # In its first seconds, a new vault takes no bases: its worker has not looked yet which releases there are.
    assert eventually(lambda: shell("env", "create", "prod", "--base", "base").returncode == 0)
    for words in ("set -e base B=1", "set -e prod A=1", "set --globals G=1"):
        found = shell(*words.split())
        assert found.returncode == 0, (words, found.stderr)
    token = shell("token", "create", "t", "-e", "prod", "-e", "base", "--globals").stdout.strip()
    with running(vault, home, token, "--offline-for=24h") as run:
        run.until("1", "1", "1")
        shell("set", "-e", "prod", "A=2")
        run.until("2", "1", "1")
        shell("set", "-e", "base", "B=2")
        run.until("2", "2", "1")
        shell("set", "--globals", "G=2")
        run.until("2", "2", "2")
        # A change of another environment is none of its own.
        shell("env", "create", "other")
        shell("set", "-e", "other", "A=9")
        vault.running.stop()
        run.until_said("Changes are not followed at the moment")
        assert run.process.poll() is None
        assert len(run.starts()) == 4
    with running(vault, home, token, "--offline-for=24h") as run:
        # From the copy. Then the vault is back, and has other values.
        run.until_said("strongroom: Warning: The program gets the values of ")
        assert eventually(lambda: len(run.starts()) == 5)
        run.until("2", "2", "2")
        vault.start()
        shell("set", "-e", "prod", "A=3")
        run.until("3", "2", "2")
        shell("token", "revoke", "t")
        run.until_said("Changes are not followed any more: A valid credential is needed.")
        assert eventually(lambda: not list(home.rglob("*.sealed")))
        assert run.process.poll() is None
    refused = shell("run", "-e", "prod", "--offline-for=24h", "--", "echo", "ran", STRONGROOM_TOKEN=token)
    assert (refused.returncode, refused.stdout) == (2, "")
