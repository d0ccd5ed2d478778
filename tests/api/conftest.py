"""One vault on each database for all tests here, two people who are new in each test, and a way to call the app."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.conftest import KINDS, Kind
from tests.support.described import description_of
from tests.support.passwords import each_password_is_hashed_once as each_password_is_hashed_once
from tests.support.passwords import only_marked_views_hash_passwords as only_marked_views_hash_passwords
from tests.support.servers import Postgres
from tests.support.vaults import PASSWORD, know_password, log_in, make_vault, reconnect
from vault.app import build_app
from vault.client import Request, Response, WsgiTransport
from vault.model.principal import host_operator
from vault.services import Services
from vault.storage.tables import throttle

PREFIX = "/api/v1"

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    """One answer of the app; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem."""
        assert self.headers["content-type"] == "application/problem+json", self.body
        return str(self.json["code"])

    @property
    def etag(self) -> str:
        return self.headers["etag"]


@dataclass(frozen=True)
class Caller:
    """Whoever holds `secret`, on the app itself: no socket lies between."""

    app: Flask = field(repr=False)
    secret: str = ""
    id: str = ""
    """The user's or the token's."""
    username: str = ""
    session_id: str = ""

    def __call__(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str) -> Answer:
        """Make one call below `/api/v1`; header names take `_` for `-`."""
        return self.at(method, PREFIX + path, body, raw=raw, **headers)

    def at(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: Any) -> Answer:
        """Make one call at an address of the whole app. `path` goes as it is: percent-encode it yourself."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.secret:
            sent.setdefault("Authorization", f"Bearer {self.secret}")
        data = raw if body is None else json.dumps(body).encode()
        found: Response = WsgiTransport(self.app).send(Request(method, path, sent, data))
        answer = Answer(found.status, found.headers, found.body)
        if path.startswith(PREFIX + "/"):
            body = answer.json if answer.body and "json" in answer.headers.get("content-type", "") else None
            faults = description_of(self.app).faults(method, path, answer.status, answer.headers, body)
            assert faults == [], (method, path)
        return answer

    def ok(self, method: str, path: str, body: Any = None, **headers: Any) -> Any:
        """The JSON of a call that must succeed; None where there is none."""
        answer = self(method, path, body, **headers)
        assert 200 <= answer.status < 300, (answer.status, answer.body)
        return answer.json if answer.body else None

    def make(self, name: str, **variables: str) -> dict[str, Any]:
        """An environment with these variables as its first revision; without any it has no revision."""
        body: dict[str, Any] = {"name": name}
        if variables:
            body["variables"] = [{"name": key, "value": value} for key, value in variables.items()]
        found: dict[str, Any] = self.ok("POST", "/environments", body)
        return found

    def token(self, *grants: dict[str, Any], **wishes: Any) -> Caller:
        """A service token with these grants."""
        made = self.ok("POST", "/tokens", {"name": "t", "grants": list(grants), **wishes})
        return Caller(self.app, made["secret"], made["id"])


@dataclass(frozen=True)
class Vault:
    """An app and the services beneath it."""

    app: Flask
    services: Services

    def anyone(self, secret: str = "") -> Caller:
        """Somebody with this credential, or with none."""
        return Caller(self.app, secret)

    def person(self, name: str) -> Caller:
        """A new person, logged in; the name gets a number, because all tests share the vault."""
        username = f"{name}-{next(_numbers)}"
        with self.services.storage.write() as unit:
            user = self.services.people.accounts.add(unit, host_operator("test"), username, PASSWORD)
        know_password(self.services, username)
        session = log_in(self.services, username, address="127.0.0.1")
        return Caller(self.app, session.secret, user.id, username, session.session.id)


def open_for_tests(folder: Path, database_url: str, **changes: Any) -> Vault:
    """A new vault in a migrated database without rows."""
    services = make_vault(folder, database_url, **changes)
    return Vault(build_app(services), services)


def vault_of_session(
    kind: Kind, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Vault]:
    """A vault on that kind of database, for all tests that share it."""
    folder = tmp_path_factory.mktemp("vault")
    url = f"sqlite:///{folder / 'strongroom.db'}"
    server: Postgres | None = None
    if kind == "postgresql":
        server = request.getfixturevalue("postgres")
        server.ensure_running()
        url = server.create_database()
    made = open_for_tests(folder, url)
    yield made
    made.services.storage.close()
    if server is not None:
        server.ensure_running()
        server.drop_database(url)


@pytest.fixture(scope="session")
def _sqlite_vault(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    yield from vault_of_session("sqlite", request, tmp_path_factory)


@pytest.fixture(scope="session")
def _postgresql_vault(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    yield from vault_of_session("postgresql", request, tmp_path_factory)


@pytest.fixture(scope="session", params=KINDS)
def vault(request: pytest.FixtureRequest) -> Vault:
    """A vault on each kind of database. Both stay until the end: tests change between them in every file."""
    found: Vault = request.getfixturevalue(f"_{request.param}_vault")
    return found


@pytest.fixture(autouse=True)
def undo_what_other_tests_did(request: pytest.FixtureRequest) -> None:
    """Start a database server that a test has stopped, and forget failed logins.

    All tests come from one address, which many wrong passwords would slow down.
    """
    if "vault" in request.fixturenames:
        found: Vault = request.getfixturevalue("vault")
        if not found.services.storage.is_sqlite:
            request.getfixturevalue("postgres").ensure_running()
        reconnect(found.services)
        with found.services.storage.write() as unit:
            unit.connection.execute(throttle.delete())


@pytest.fixture
def ada(vault: Vault) -> Caller:
    """A person."""
    return vault.person("ada")


@pytest.fixture
def bob(vault: Vault) -> Caller:
    """Another person."""
    return vault.person("bob")
