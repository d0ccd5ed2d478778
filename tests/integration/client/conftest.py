"""The SDK over both of its ways: into the app with no socket, and over TLS to a real server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask

from tests.integration.client.cutting_proxy import CuttingProxy
from tests.support.serving import RunningServer
from tests.support.vaults import HOST, PASSWORD, make_vault
from vault import settings
from vault.app import build_app, open_vault, prepare_vault
from vault.client import Client, HttpsTransport, Request, Response, Transport, WsgiTransport


class Watching:
    """A transport that remembers the status of each answer and hands everything on."""

    def __init__(self, inner: Transport) -> None:
        self.statuses: list[int] = []
        self.replayed = 0
        self._inner = inner

    def send(self, request: Request) -> Response:
        response = self._inner.send(request)
        self.statuses.append(response.status)
        self.replayed += response.headers.get("idempotency-replayed") == "true"
        return response

    def close(self) -> None:
        self._inner.close()


@dataclass(frozen=True)
class Door:
    """A way to one vault with the people `ada` and `bob`."""

    app: Flask | None
    server: RunningServer | None

    def transport(self, port: int | None = None) -> Watching:
        """A way in; over TLS by another port, where a proxy stands there."""
        if self.app is not None:
            return Watching(WsgiTransport(self.app))
        assert self.server is not None
        url = f"https://localhost:{port or self.server.port}"
        return Watching(HttpsTransport(url, ca_file=self.server.ca_file))

    def client(self, username: str = "", token: str = "", transport: Transport | None = None) -> Client:
        """A client, logged in where a username is given."""
        made = Client("https://vault.test", token, transport=transport or self.transport())
        if username:
            made.login(username, PASSWORD)
        return made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A real server over TLS."""
    folder = tmp_path_factory.mktemp("sdk-server")
    environ = {
        "STRONGROOM_DATA_DIR": str(folder / "data"),
        "STRONGROOM_KEYRING": str(folder / "keys" / "master.json"),
        "STRONGROOM_WORKERS": "1",
        "STRONGROOM_ARGON2_MEMORY_KIB": "19456",
        "STRONGROOM_ARGON2_PASSES": "2",
    }
    chosen = settings.load(environ)
    chosen.data_dir.mkdir()
    prepare_vault(chosen)
    services = open_vault(chosen)
    with services.storage.write() as unit:
        for name in ("ada", "bob"):
            services.people.accounts.add(unit, HOST, name, PASSWORD)
    services.storage.close()
    with RunningServer(folder, environ) as running:
        yield running


@pytest.fixture(scope="module", params=["no socket", "TLS"])
def door(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Both ways in, one after the other."""
    if request.param == "TLS":
        yield Door(None, request.getfixturevalue("server"))
        return
    folder: Path = tmp_path_factory.mktemp("sdk-app")
    services = make_vault(folder, f"sqlite:///{folder / 'strongroom.db'}")
    prepared = build_app(services)
    with services.storage.write() as unit:
        for name in ("ada", "bob"):
            services.people.accounts.add(unit, HOST, name, PASSWORD)
    yield Door(prepared, None)
    services.storage.close()


@pytest.fixture
def proxy(server: RunningServer) -> Iterator[CuttingProxy]:
    """A proxy before the real server, which cuts when it is told to."""
    with CuttingProxy(server.port) as running:
        yield running
