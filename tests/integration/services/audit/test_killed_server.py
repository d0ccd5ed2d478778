"""The real server: what it has answered is in the trail, also when it is killed before it could bring it in."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.support.patience import eventually
from tests.support.serving import RunningServer
from tests.support.vaults import PASSWORD, add_environment, add_token, as_session, grant, log_in
from vault import settings
from vault.app import open_vault, prepare_vault
from vault.model.principal import host_operator
from vault.services import Services
from vault.storage import Search

HOST = host_operator("test")
READERS = 3
_WAIT_SECONDS = 20.0


class Place:
    """A vault, and a token that reads its environment `prod`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {
            "STRONGROOM_DATA_DIR": str(folder / "data"),
            "STRONGROOM_KEYRING": str(folder / "keys" / "master.json"),
            "STRONGROOM_WORKERS": "2",
        }
        (folder / "data").mkdir()
        prepare_vault(settings.load(self.environ))
        vault = self.open()
        with vault.storage.write() as unit:
            vault.people.accounts.add(unit, HOST, "ada", PASSWORD)
        ada = as_session(vault, log_in(vault, "ada").secret)
        add_environment(vault, ada, "prod", A="1")
        self.token = add_token(vault, ada, grant("read", environment="prod")).secret
        vault.storage.close()

    def open(self) -> Services:
        return open_vault(settings.load(self.environ))

    def read(self, server: RunningServer, answered: list[str]) -> None:
        """Read until the server is gone; the request ids of what was answered."""
        connection = server.connect()
        try:
            while True:
                connection.request(
                    "GET", "/api/v1/environments/prod/values", headers={"Authorization": f"Bearer {self.token}"}
                )
                answer = connection.getresponse()
                if answer.status == 200 and json.loads(answer.read())["values"] == {"A": "1"}:
                    answered.append(answer.headers["X-Request-Id"])
        except (OSError, HTTPException):
            return
        finally:
            connection.close()

    def told(self) -> list[str]:
        """The request ids of all reads that the trail has."""
        vault = self.open()
        try:
            found = vault.audit.trail.search(HOST, Search(action="values.read"), None, 100_000)
            return [seen.event.request_id for seen in found]
        finally:
            vault.audit.reads.close()
            vault.storage.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def _children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _kill(server: RunningServer) -> None:
    pids = [server.process.pid, *_children(server.process.pid)]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    server.process.wait()


def test_nothing_that_was_answered_is_missing_after_a_kill(place: Place) -> None:
    answered: list[str] = []
    server = RunningServer(place.folder, place.environ)
    readers = [threading.Thread(target=place.read, args=(server, answered)) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    time.sleep(1.7)
    assert eventually(lambda: len(answered) > 50)
    _kill(server)
    for reader in readers:
        reader.join()
    assert list((place.folder / "data" / "spool").rglob("*.spool")), "Something must have been on its way."
    with RunningServer(place.folder, place.environ):
        assert eventually(lambda: set(answered) <= set(place.told()), _WAIT_SECONDS)
    told = place.told()
    assert set(answered) <= set(told)
    assert len(told) == len(set(told)), "Nothing is told twice."
    vault = place.open()
    assert vault.audit.verifier.verify().faults == []
    vault.storage.close()


def test_a_server_that_stops_in_good_order_leaves_nothing_in_its_spool(place: Place) -> None:
    answered: list[str] = []
    with RunningServer(place.folder, place.environ) as server:
        reader = threading.Thread(target=place.read, args=(server, answered))
        reader.start()
        assert eventually(lambda: bool(answered))
        server.stop(signal.SIGTERM)
        reader.join()
    assert answered
    assert not list((place.folder / "data" / "spool").rglob("*.spool"))
    assert set(answered) <= set(place.told())
