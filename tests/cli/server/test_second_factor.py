"""Two-factor as people meet it at the command: a real server, a code, a recovery code, and the operator's remedy."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyotp
import pytest

from tests.support.serving import RunningServer
from tests.support.vaults import HOST, PASSWORD, as_session, log_in
from vault import settings
from vault.app import open_vault, prepare_vault

Command = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Account:
    """What ada's phone and her drawer hold."""

    secret: str
    recovery_codes: tuple[str, ...]

    def code(self) -> str:
        return pyotp.TOTP(self.secret).now()


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("factors")
    (folder / "data").mkdir()
    return {
        "STRONGROOM_DATA_DIR": str(folder / "data"),
        "STRONGROOM_KEYRING": str(folder / "keys" / "master.json"),
        "STRONGROOM_WORKERS": "1",
        "STRONGROOM_ARGON2_MEMORY_KIB": "19456",
        "STRONGROOM_ARGON2_PASSES": "2",
    }


@pytest.fixture(scope="module")
def account(environ: dict[str, str]) -> Account:
    """Ada, with an authenticator app."""
    chosen = settings.load(environ)
    prepare_vault(chosen)
    services = open_vault(chosen)
    with services.storage.write() as unit:
        services.people.accounts.add(unit, HOST, "ada", PASSWORD)
    ada = as_session(services, log_in(services, "ada").secret)
    begun = services.people.factors.begin_totp(ada)
    # One step behind is good too: the present code stays unused.
    code = pyotp.TOTP(begun.secret).at(int(time.time()), counter_offset=-1)
    added = services.people.factors.confirm_totp(ada, begun.id, code)
    services.storage.close()
    return Account(begun.secret, added.recovery_codes)


@pytest.fixture(scope="module")
def server(environ: dict[str, str], account: Account) -> Iterator[RunningServer]:
    with RunningServer(Path(environ["STRONGROOM_DATA_DIR"]).parent, environ) as running:
        yield running


@pytest.fixture
def strongroom(server: RunningServer, environ: dict[str, str], tmp_path: Path) -> Command:
    """The command, in a home of its own; the password lies in a file."""
    (tmp_path / "password").write_text(PASSWORD + "\n")
    client = {"STRONGROOM_URL": server.url, "STRONGROOM_CA_FILE": str(server.ca_file), "STRONGROOM_NO_KEYCHAIN": "1"}
    system = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}

    def call(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "vault", *arguments],
            input=stdin, env=environ | client | system, capture_output=True, text=True, cwd=tmp_path,
        )  # fmt: skip

    return call


LOGIN = ("login", "ada", "--password", "@password")


def test_a_login_gives_its_code(strongroom: Command, account: Account) -> None:
    asked = strongroom(*LOGIN)
    assert (asked.returncode, "no terminal to ask for the code" in asked.stderr) == (1, True)
    code = account.code()
    found = strongroom(*LOGIN, "--code", "-", stdin=code + "\n")
    assert found.returncode == 0, found.stderr
    assert strongroom("env", "list").returncode == 0
    again = strongroom(*LOGIN, "--code", "-", stdin=code + "\n")
    assert again.returncode == 2
    assert code not in again.stdout + again.stderr


def test_a_recovery_code_does_as_well(strongroom: Command, account: Account) -> None:
    found = strongroom(*LOGIN, "--code", "-", stdin=account.recovery_codes[0] + "\n")
    assert found.returncode == 0, found.stderr
    assert "9 are left" in found.stderr
    assert strongroom("env", "list").returncode == 0
    assert strongroom(*LOGIN, "--code", "-", stdin=account.recovery_codes[0] + "\n").returncode == 2


def test_the_operator_takes_the_factors_off(strongroom: Command, account: Account) -> None:
    assert strongroom(*LOGIN, "--code", "-", stdin=account.recovery_codes[1] + "\n").returncode == 0
    done = strongroom("user", "reset-factors", "ada")
    assert done.returncode == 0, done.stderr
    # The session that there was has ended with them.
    assert strongroom("env", "list").returncode == 2
    assert strongroom(*LOGIN).returncode == 0
    unknown = strongroom("user", "reset-factors", "nobody")
    assert (unknown.returncode, "no such account" in unknown.stderr) == (1, True)
    verified = strongroom("audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
