"""Clients of other makers follow the live feed: Node's own WebSocket, and curl."""

from __future__ import annotations

import json
import secrets
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from pathlib import Path
from typing import IO, Any

import pytest

from tests.interop.conftest import Place
from tests.support.patience import HANG_SECONDS
from tests.support.undertaker import watched

NODE = Path(__file__).parent / "node"


@pytest.fixture
def live(vault_server: Place) -> str:
    """An environment of the person. Returns its path in the API."""
    path = "/api/v1/environments/live"
    if call(vault_server, "GET", path)[0] == 404:
        body = {"name": "live", "variables": [{"name": "A", "value": "1"}]}
        assert call(vault_server, "POST", "/api/v1/environments", body)[0] == 201
    return path


def call(place: Place, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """One call of the API with the token that may do everything."""
    context = ssl.create_default_context(cafile=str(place.ca_file))
    connection = HTTPSConnection(place.url.partition("://")[2], timeout=HANG_SECONDS, context=context)
    headers = {"Authorization": f"Bearer {place.token}", "Content-Type": "application/json"}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    finally:
        connection.close()


def change(place: Place, path: str) -> int:
    """Write a new revision, and return its number. The same value again would be no change."""
    status, answer = call(place, "PATCH", f"{path}/variables", {"variables": {"A": secrets.token_hex(8)}})
    assert status == 200, answer
    revision: int = answer["revision"]
    return revision


@contextmanager
def started(command: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A client that runs until the end of the block."""
    process = watched(
        subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, bufsize=1)
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def heard(lines: IO[str] | None, kind: str) -> Any:
    """Read messages until one of this type comes."""
    assert lines is not None
    for line in lines:
        data = line.removeprefix("data: ")
        if data.startswith("{") and (message := json.loads(data))["type"] == kind:
            return message
    raise AssertionError(f"The client ended before it heard {kind!r}.")


def test_nodes_own_websocket_is_told(vault_server: Place, live: str) -> None:
    command = ["node", "--no-warnings", "--experimental-websocket", str(NODE / "follow.mjs")]
    with started(command, vault_server.env) as client:
        # The answer to `subscribe`.
        heard(client.stdout, "cursor")
        revision = change(vault_server, live)
        told = heard(client.stdout, "change")
        assert (told["environment"]["name"], told["revision"], told["affects"]) == ("live", revision, ["live"])
        assert heard(client.stdout, "close")["code"] == 1000


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_prints_what_it_is_told(vault_server: Place, live: str, version: str) -> None:
    command = [
        "curl", "-sSN", version, "--cacert", str(vault_server.ca_file),
        "-H", f"Authorization: Bearer {vault_server.token}", "-H", "Accept: text/event-stream",
        f"{vault_server.url}/api/v1/changes?environment=live",
    ]  # fmt: skip
    with started(command, vault_server.env) as client:
        heard(client.stdout, "hello")
        revision = change(vault_server, live)
        assert heard(client.stdout, "change")["revision"] == revision
