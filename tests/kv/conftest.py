"""A Vault client without a client: whoever holds a token, on the app itself, and what it reads of the answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.api.conftest import Caller, Vault
from tests.api.conftest import _postgresql_vault as _postgresql_vault
from tests.api.conftest import _sqlite_vault as _sqlite_vault
from tests.api.conftest import ada as ada
from tests.api.conftest import bob as bob
from tests.api.conftest import undo_what_other_tests_did as undo_what_other_tests_did
from tests.api.conftest import vault as vault
from tests.support.passwords import each_password_is_hashed_once as each_password_is_hashed_once
from tests.support.passwords import only_marked_views_hash_passwords as only_marked_views_hash_passwords
from tests.support.vaults import FakeClock, make_vault
from vault.app import build_app
from vault.client import Request, WsgiTransport

ALL = ["list", "read", "create", "update", "delete", "history", "delegate"]

ENVELOPE = {"request_id", "lease_id", "renewable", "lease_duration", "data", "wrap_info", "warnings", "auth"}


@dataclass(frozen=True)
class Answer:
    """One answer of the Vault-compatible face."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        """The data of the envelope, which must be whole."""
        assert set(self.json) >= ENVELOPE, self.json
        return self.json["data"]

    @property
    def auth(self) -> Any:
        return self.json["auth"]

    @property
    def errors(self) -> list[str]:
        """The errors, which must be all that there is."""
        assert self.headers["content-type"] == "application/json"
        assert set(self.json) == {"errors"}, self.json
        found: list[str] = self.json["errors"]
        return found


@dataclass(frozen=True)
class Kv:
    """Whoever holds `token`."""

    app: Flask = field(repr=False)
    token: str = ""

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Make one call below `/v1/`; header names take `_` for `-`. A path and bytes go as they are."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent.setdefault("X-Vault-Token", self.token)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        found = WsgiTransport(self.app).send(Request(method, f"/v1/{path}", sent, data))
        return Answer(found.status, dict(found.headers), found.body)

    def put(self, path: str, values: dict[str, Any], cas: int | None = None) -> Answer:
        """Write a version."""
        return self("POST", f"secret/data/{path}", {"data": values, "options": {} if cas is None else {"cas": cas}})

    def get(self, path: str) -> Any:
        """The values of the current version."""
        answer = self("GET", f"secret/data/{path}")
        assert answer.status == 200, answer
        return answer.data["data"]

    def as_(self, token: str) -> Kv:
        """Somebody else on the same app."""
        return Kv(self.app, token)


def kv_of(caller: Caller) -> Kv:
    """The same credential on this face."""
    return Kv(caller.app, caller.secret)


@pytest.fixture
def kv(ada: Caller) -> Kv:
    """Ada's session."""
    return kv_of(ada)


@pytest.fixture
def service(ada: Caller) -> Kv:
    """A service token of Ada's with all permissions on all environments."""
    return kv_of(ada.token({"path": "*", "permissions": ALL}, renewable=True, max_ttl_seconds=10_000_000))


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> FakeClock:
    """The time of `timed`. A test may give it a tick in microseconds, as a parameter."""
    return FakeClock(tick_us=getattr(request, "param", 0))


@pytest.fixture
def timed(tmp_path: Path, clock: FakeClock) -> Iterator[Vault]:
    """A vault whose time is told by `clock`."""
    services = make_vault(tmp_path, f"sqlite:///{tmp_path / 'timed.db'}", clock=clock)
    yield Vault(build_app(services), services)
    services.storage.close()
