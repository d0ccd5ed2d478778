"""A real server with two workers over TLS, clients of its feed, and another process's view of the same vault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.integration.server.conftest import Raw, Reply
from tests.integration.server.socket_client import CLOSE, TEXT, SocketClient, handshake
from tests.support.patience import HANG_SECONDS
from tests.support.serving import RunningServer
from tests.support.vaults import add_environment, add_person, add_token, grant
from vault import settings
from vault.app import open_vault, prepare_vault
from vault.model.principal import Principal
from vault.services import Services

_names = count()


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    type: str
    id: str
    data: Any


class Stream:
    """One event stream."""

    def __init__(self, server: RunningServer, path: str, headers: dict[str, str]) -> None:
        self.connection: HTTPConnection = server.connect(HANG_SECONDS)
        self.connection.request("GET", path, headers={"Accept": "text/event-stream", **headers})
        self.response: HTTPResponse = self.connection.getresponse()
        self.status = self.response.status
        self.retry: list[int] = []
        self.comments = 0
        self.body = b"" if self.status == 200 else self.response.read()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        # The response holds the socket open as well.
        self.response.close()
        self.connection.close()

    @property
    def problem(self) -> Any:
        return json.loads(self.body)

    def next(self) -> Event | None:
        """Return the next event, or None at the end of the stream."""
        fields: dict[str, str] = {}
        while line := self.response.readline():
            text = line.decode().rstrip("\n")
            if text.startswith("retry: "):
                self.retry.append(int(text.removeprefix("retry: ")))
            elif text.startswith(":"):
                self.comments += 1
            elif text:
                name, _, value = text.partition(": ")
                fields[name] = value
            elif fields:
                return Event(fields["event"], fields.get("id", ""), json.loads(fields["data"]))
        return None

    def change(self) -> Event:
        """Return the next event, which must be about an environment."""
        event = self.next()
        assert event is not None, "The stream has ended."
        assert event.type in ("change", "gone"), event
        return event


class Socket(SocketClient):
    """One WebSocket on the feed."""

    def __init__(self, server: RunningServer, *lines: str) -> None:
        super().__init__(server, "/api/v1/sync", *lines)

    def say(self, **message: Any) -> None:
        self.send(TEXT, json.dumps(message).encode())

    def told(self) -> Any:
        """Return the next message."""
        while (arrived := self.next()).opcode != TEXT:
            assert arrived.opcode != CLOSE, (arrived.code, arrived.payload[2:])
        return json.loads(arrived.payload)

    def subscribe(self, **wish: Any) -> str:
        """Subscribe, and return the cursor from which on everything is told."""
        self.say(type="subscribe", **wish)
        answer = self.told()
        assert answer["type"] == "cursor", answer
        return str(answer["cursor"])


@dataclass
class House:
    """A running server, and `vault`: the same vault in this process, as another worker or a command has it."""

    server: RunningServer
    vault: Services
    _stack: ExitStack = field(default_factory=ExitStack)

    def person(self) -> Principal:
        """Return a new person."""
        return add_person(self.vault, f"person-{next(_names)}")

    def environment(self, owner: Principal, name: str = "prod") -> str:
        """Make an environment with a value, and return its id."""
        return add_environment(self.vault, owner, name, A="1").id

    def token(self, owner: Principal, *names: str, **wishes: Any) -> str:
        """Return the secret of a token that may read these environments."""
        made = add_token(self.vault, owner, *(grant("list,read", environment=name) for name in names), **wishes)
        assert made.secret is not None
        return made.secret

    def stream(self, secret: str, headers: dict[str, str] | None = None, **query: Any) -> Stream:
        """Open an event stream, closed at the end of the test."""
        path = "/api/v1/changes?" + urlencode(query, doseq=True)
        return self.opened(path, {"Authorization": f"Bearer {secret}", **(headers or {})})

    def opened(self, path: str, headers: dict[str, str]) -> Stream:
        """Open any event stream, closed at the end of the test."""
        return self._stack.enter_context(Stream(self.server, path, headers))

    def socket(self, secret: str, *lines: str) -> Socket:
        """Open a WebSocket, closed at the end of the test."""
        made = Socket(self.server, f"Authorization: Bearer {secret}", *lines)
        self._stack.callback(made.close)
        return made

    def page_socket(self, cookie: str) -> Socket:
        """Open a WebSocket as a page of the vault does, closed at the end of the test."""
        made = Socket(self.server, f"Cookie: __Host-strongroom={cookie}", f"Origin: {self.server.url}")
        self._stack.callback(made.close)
        return made

    def refusal(self, *lines: str, path: str = "/api/v1/sync") -> Reply:
        """Return the answer to a handshake that is refused."""
        raw = Raw(self.server)
        try:
            raw.send(handshake(path, *lines))
            return raw.reply()
        finally:
            raw.close()

    def poll(self, secret: str, **query: Any) -> tuple[int, Any]:
        """Make one poll, and return its status and its body."""
        connection = self.server.connect(HANG_SECONDS)
        try:
            path = "/api/v1/changes?" + urlencode(query, doseq=True)
            connection.request("GET", path, headers={"Authorization": f"Bearer {secret}"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def close_streams(self) -> None:
        """Close all streams of a test."""
        self._stack.close()


@contextmanager
def running_house(folder: Path, url: str, **env: str) -> Iterator[House]:
    """Make a vault in the database `url`, and start a server on it."""
    environ = {
        "STRONGROOM_DATA_DIR": str(folder / "data"),
        "STRONGROOM_KEYRING": str(folder / "keys" / "master.json"),
        "STRONGROOM_DATABASE_URL": url,
        "STRONGROOM_ARGON2_MEMORY_KIB": "19456",
        "STRONGROOM_ARGON2_PASSES": "2",
        "STRONGROOM_WORKERS": "2",
        **env,
    }
    chosen = settings.load(environ)
    chosen.data_dir.mkdir(exist_ok=True)
    prepare_vault(chosen)
    vault = open_vault(chosen)
    try:
        with RunningServer(folder, environ) as server:
            made = House(server, vault)
            try:
                yield made
            finally:
                made.close_streams()
    finally:
        vault.close()
