"""A real server on a PostgreSQL and a Redis of its own, callers that keep their connection, and load."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.support.patience import HANG_SECONDS, eventually
from tests.support.servers import Postgres, Redis
from tests.support.serving import RunningServer
from tests.support.vaults import HOST, PASSWORD
from vault import settings
from vault.app import open_vault, prepare_vault

QUICK_HASHES = {"STRONGROOM_ARGON2_MEMORY_KIB": "19456", "STRONGROOM_ARGON2_PASSES": "2"}


# The server closes a connection after five seconds of silence.
_IDLE_SECONDS = 3.0


@dataclass
class Reply:
    """One answer, and how long it took."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """One keep-alive connection with a credential. Not for several threads at once."""

    def __init__(self, server: RunningServer, secret: str = "", timeout_seconds: float = HANG_SECONDS) -> None:
        self._server = server
        self._timeout_seconds = timeout_seconds
        self._connection: HTTPConnection | None = None
        self._used_at = time.monotonic()
        self.secret = secret

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """One call below `/api/v1`. Raises `OSError` or `HTTPException` when the connection breaks."""
        return self.at(method, "/api/v1" + path, body, **headers)

    def at(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.secret:
            sent["Authorization"] = f"Bearer {self.secret}"
        data = None if body is None else json.dumps(body).encode()
        started = time.monotonic()
        if started - self._used_at > _IDLE_SECONDS:
            self.close()
        if self._connection is None:
            self._connection = self._server.connect(self._timeout_seconds)
        try:
            self._connection.request(method, path, data, sent)
            answer = self._connection.getresponse()
            content = answer.read()
        except BaseException:
            self.close()
            raise
        self._used_at = time.monotonic()
        named = {name.lower(): value for name, value in answer.getheaders()}
        if named.get("connection") == "close":
            self.close()
        return Reply(answer.status, named, content, time.monotonic() - started)

    def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The JSON of a call that must succeed."""
        reply = self(method, path, body, **headers)
        assert 200 <= reply.status < 300, (reply.status, reply.body)
        return reply.json if reply.body else None

    def insist(
        self, method: str, path: str, body: Any = None, *, within_seconds: float = 20.0, **headers: str
    ) -> Reply:
        """A write with an Idempotency-Key, sent again with the same key until there is an answer, as the SDK does."""
        key = secrets.token_hex(8)
        answers: list[Reply] = []

        def is_answered() -> bool:
            with contextlib.suppress(OSError, HTTPException):
                answers.append(self(method, path, body, Idempotency_Key=key, **headers))
                assert answers[-1].status not in (429, 503) or "retry-after" in answers[-1].headers
                return answers[-1].status not in (429, 503)
            return False

        assert eventually(is_answered, within_seconds), "There was no answer in time."
        return answers[-1]


@dataclass
class Stack:
    """A server with what it stands on."""

    server: RunningServer
    postgres: Postgres
    redis: Redis | None
    _callers: list[Caller] = field(default_factory=list)

    def caller(self, secret: str = "") -> Caller:
        """Somebody with a connection of their own."""
        made = Caller(self.server, secret)
        self._callers.append(made)
        return made

    def log_in(self, username: str = "ada") -> Caller:
        """A person with a new session."""
        made = self.caller()
        made.secret = made.ok("POST", "/sessions", {"username": username, "password": PASSWORD})["secret"]
        return made

    def workers(self) -> list[int]:
        """The processes that answer."""
        pid = self.server.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def close(self) -> None:
        for caller in self._callers:
            caller.close()


@contextlib.contextmanager
def running_stack(
    folder: Path, *, redis: bool = True, people: int = 1, factory: str | None = None, **more: str
) -> Iterator[Stack]:
    """Start everything, with the people `ada`, `ada-1`, …; stop everything at the end."""
    with contextlib.ExitStack() as stack:
        # Otherwise a crash takes back what was committed just before it.
        postgres = stack.enter_context(Postgres(durable=True))
        cache = stack.enter_context(Redis()) if redis else None
        url = postgres.create_database()
        environ = {
            "STRONGROOM_DATA_DIR": str(folder / "data"),
            "STRONGROOM_KEYRING": str(folder / "keys" / "master.json"),
            "STRONGROOM_DATABASE_URL": url,
            **({"STRONGROOM_REDIS_URL": cache.url} if cache else {}),
            "STRONGROOM_WORKERS": "2",
            **QUICK_HASHES,
            **more,
        }
        add_people(environ, people)
        server = stack.enter_context(RunningServer(folder, environ, factory=factory))
        made = Stack(server, postgres, cache)
        stack.callback(made.close)
        yield made


def add_people(environ: dict[str, str], count: int) -> None:
    """Make the vault, and people in it."""
    chosen = settings.load(environ)
    chosen.data_dir.mkdir(exist_ok=True)
    prepare_vault(chosen)
    services = open_vault(chosen)
    for number in range(count):
        with services.storage.write() as unit:
            services.people.accounts.add(unit, HOST, f"ada-{number}" if number else "ada", PASSWORD)
    services.storage.close()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A server on PostgreSQL and Redis; whoever breaks one of them mends it."""
    with running_stack(tmp_path_factory.mktemp("stack"), people=2) as made:
        yield made


class Load:
    """Callers that ask again and again, in threads, until the end of the `with` block."""

    def __init__(self, work: list[Callable[[], Reply | None]], pause_seconds: float = 0.01) -> None:
        self.replies: list[Reply] = []
        self.broken: list[BaseException] = []
        self._pause_seconds = pause_seconds
        self._going = True
        self._threads = [threading.Thread(target=self._run, args=[one]) for one in work]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._going = False
        for thread in self._threads:
            thread.join()

    @property
    def slowest_seconds(self) -> float:
        return max(reply.seconds for reply in self.replies)

    def statuses(self) -> set[int]:
        return {reply.status for reply in self.replies}

    def _run(self, work: Callable[[], Reply | None]) -> None:
        while self._going:
            try:
                reply = work()
            except (OSError, HTTPException, AssertionError) as error:
                self.broken.append(error)
                time.sleep(0.05)
                continue
            if reply is not None:
                self.replies.append(reply)
            time.sleep(self._pause_seconds)
