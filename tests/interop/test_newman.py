"""newman, Postman's runner: it runs with our exports, reads them over HTTPS, and what it writes comes back."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.patience import HANG_SECONDS
from tests.support.serving import RunningServer
from vault import settings
from vault.app import open_vault, prepare_vault
from vault.client import Client
from vault.client.answers import Grant
from vault.model.environment import VariableType
from vault.model.principal import host_operator

PASSWORD = "lantern gravel ninefold otter"
NEWMAN = Path(__file__).parent / "node" / "node_modules" / ".bin" / "newman"


class Echo(ThreadingHTTPServer):
    """Remembers the queries that it was asked, each as name → value."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Listener)
        self.asked: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Listener(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Echo)
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        self.server.asked.append({name: values[0] for name, values in query.items()})
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *_: Any) -> None:
        """Nothing: the test looks at `asked`."""


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with a person `ada`."""
    folder = tmp_path_factory.mktemp("server")
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
    with RunningServer(folder, environ) as running:
        yield running


@pytest.fixture(scope="module")
def ada(server: RunningServer) -> Iterator[Client]:
    """Somebody with an environment `prod` and with globals."""
    with Client(server.url, "", server.ca_file) as client:
        client.login("ada", PASSWORD)
        client.environments.create("prod")
        client.environment("prod").patch(
            {
                "PLAIN": "p {{NESTED}}",
                "NESTED": "it's",
                "TOKEN": {"value": "s ü", "type": "secret", "description": "d"},
                "OFF": {"value": "must not be seen", "enabled": False},
                "SHADOW": "",
            }
        )
        client.globals.patch({"GLOBAL": "g", "SHADOW": "hidden", "NESTED": "hidden"})
        yield client


def run_newman(folder: Path, echo: Echo, ca_file: Path, *arguments: str) -> None:
    names = ["PLAIN", "TOKEN", "OFF", "SHADOW", "GLOBAL"]
    query = [{"key": name, "value": f"{{{{{name}}}}}"} for name in names]
    host, port = echo.url.removeprefix("http://").split(":")
    url = {"protocol": "http", "host": host.split("."), "port": port, "path": [""], "query": query}
    script = {
        "type": "text/javascript",
        "exec": ["pm.environment.set('TOKEN', 'renewed'); pm.environment.set('N', 7);"],
    }
    collection = {
        "info": {"name": "c", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
        "item": [
            {
                "name": "r",
                "request": {"method": "GET", "url": url},
                "event": [{"listen": "test", "script": script}],
            }
        ],
    }
    (folder / "c.json").write_text(json.dumps(collection))
    environ = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "NODE_EXTRA_CA_CERTS": str(ca_file)}
    found = subprocess.run(
        [NEWMAN, "run", "c.json", *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert found.returncode == 0, found.stdout + found.stderr


SEEN = {"PLAIN": "p it's", "TOKEN": "s ü", "OFF": "{{OFF}}", "SHADOW": "", "GLOBAL": "g"}


def test_newman_runs_with_exported_files_and_its_own_export_comes_back(
    ada: Client, server: RunningServer, echo: Echo, tmp_path: Path
) -> None:
    (tmp_path / "e.json").write_text(ada.environment("prod").export("postman-newman").text)
    (tmp_path / "g.json").write_text(ada.globals.export("postman-newman").text)
    written = ["--export-environment", "out.json"]
    run_newman(tmp_path, echo, server.ca_file, "-e", "e.json", "-g", "g.json", *written)
    assert echo.asked == [SEEN]

    plan = ada.import_text("prod", "postman", (tmp_path / "out.json").read_text())
    assert (plan.added, plan.changed, plan.removed) == (("N",), ("TOKEN",), ())
    after = {variable.name: variable for variable in ada.environment("prod").variables()}
    assert (after["TOKEN"].value, after["TOKEN"].type, after["TOKEN"].description) == ("renewed", "secret", "d")
    assert (after["OFF"].enabled, after["N"].value, after["N"].type) == (False, "7", VariableType.DEFAULT)
    ada.environment("prod").rollback(1)


def test_newman_reads_both_from_the_servers_own_address(
    ada: Client, server: RunningServer, echo: Echo, tmp_path: Path
) -> None:
    grants = [Grant(("read",), environment="prod"), Grant(("read",), globals=True)]
    secret = ada.tokens.create("newman", grants).secret
    base = server.url.replace("https://", f"https://token:{secret}@") + "/api/v1"
    environment = f"{base}/environments/prod/export?format=postman-newman"
    run_newman(tmp_path, echo, server.ca_file, "-e", environment, "-g", f"{base}/globals/export?format=postman-newman")
    assert echo.asked == [SEEN]
