"""A server that the tests of the command share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.server.shell import Shell
from tests.support.serving import RunningServer
from tests.support.vaults import HOST, PASSWORD
from vault import settings
from vault.app import open_vault, prepare_vault


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the people `ada` and `eve`."""
    folder = tmp_path_factory.mktemp("server")
    environ = {
        "STRONGROOM_DATA_DIR": str(folder / "data"),
        "STRONGROOM_KEYRING": str(folder / "keys" / "master.json"),
        "STRONGROOM_WORKERS": "1",
        "STRONGROOM_ARGON2_MEMORY_KIB": "19456",
        "STRONGROOM_ARGON2_PASSES": "2",
    }
    (folder / "data").mkdir()
    chosen = settings.load(environ)
    prepare_vault(chosen)
    services = open_vault(chosen)
    with services.storage.write() as unit:
        for name in ("ada", "eve"):
            services.people.accounts.add(unit, HOST, name, PASSWORD)
    services.storage.close()
    with RunningServer(folder, environ, factory="vault.app:create_app") as running:
        yield running


@pytest.fixture
def shell(server: RunningServer, tmp_path: Path) -> Shell:
    """The command after a login of `ada`."""
    found = Shell(server, tmp_path)
    logged_in = found("login", "ada", "--password", "-", stdin=PASSWORD + "\n")
    assert logged_in.returncode == 0, logged_in.stderr
    return found
