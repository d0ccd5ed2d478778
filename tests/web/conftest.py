"""Visitors of the pages: a browser's cookies and headers, without the browser, on the app itself."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.api.conftest import Vault, vault_of_session
from tests.api.conftest import undo_what_other_tests_did as undo_what_other_tests_did
from tests.conftest import KINDS
from tests.support.passwords import each_password_is_hashed_once as each_password_is_hashed_once
from tests.support.passwords import only_marked_views_hash_passwords as only_marked_views_hash_passwords
from tests.support.vaults import PASSWORD, add_person, know_password

ORIGIN = "https://localhost:8443"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}

_numbers = itertools.count(1)
_TOKEN = re.compile(r'name="csrf_token" value="([0-9a-f]+)"')


@dataclass
class Visitor:
    """Somebody with a browser. `token` is the CSRF token of the page that was loaded last."""

    client: FlaskClient
    username: str = ""
    token: str = field(default="", repr=False)

    def get(self, path: str, **headers: str) -> TestResponse:
        """Load a page."""
        answer = self.client.get(path, base_url=ORIGIN, headers=_dashed(headers))
        found = _TOKEN.search(answer.text)
        self.token = found[1] if found else self.token
        return answer

    def post(self, path: str, fields: dict[str, Any] | None = None, **headers: str) -> TestResponse:
        """Send a form of the page that was loaded last."""
        data = {"csrf_token": self.token, **(fields or {})}
        return self.client.post(path, base_url=ORIGIN, data=data, headers=SAME_ORIGIN | _dashed(headers))

    def ask(self, path: str, body: Any) -> TestResponse:
        """Ask as a script of the page does."""
        headers = SAME_ORIGIN | {"Accept": "application/json", "X-CSRF-Token": self.token}
        return self.client.post(path, base_url=ORIGIN, json=body, headers=headers)

    def make(self, name: str = "prod", **variables: str) -> str:
        """A new environment with these variables as its first revision; the path of its page."""
        path = self.post("/environments", {"name": name}).headers["Location"].partition("?")[0]
        edits = [{"name": None, "attributes": {"name": key, "value": value}} for key, value in variables.items()]
        if edits:
            assert self.ask(f"{path}/save", {"etag": "", "revision": 0, "edits": edits}).status_code == 200
        return path

    def stored(self, path: str) -> dict[str, str]:
        """The values at that path, as its page is told them."""
        found: dict[str, str] = self.ask(f"{path}/values", {}).json["values"]  # type: ignore[index] # It answers JSON.
        return found

    def log_in(self, password: str = PASSWORD) -> TestResponse:
        """Log in through the page, and load the first one for its token."""
        self.get("/login")
        answer = self.post("/login", {"username": self.username, "password": password})
        self.get("/environments")
        return answer


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def etag_of(answer: TestResponse) -> str:
    """The ETag that the forms of a page hold."""
    found = re.search(r'name="etag" value="([0-9a-f]*)"', answer.text)
    assert found
    return found[1]


def words(answer: TestResponse) -> str:
    """What a page says, without its markup."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text)))


@pytest.fixture(scope="session")
def _sqlite_vault(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    yield from vault_of_session("sqlite", request, tmp_path_factory)


@pytest.fixture(scope="session")
def _postgresql_vault(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    yield from vault_of_session("postgresql", request, tmp_path_factory)


@pytest.fixture(scope="session", params=KINDS)
def vault(request: pytest.FixtureRequest) -> Vault:
    """A vault on each kind of database, for all tests here: its people are new in each test."""
    found: Vault = request.getfixturevalue(f"_{request.param}_vault")
    return found


@pytest.fixture
def visitor(vault: Vault) -> Visitor:
    """Somebody who is not logged in."""
    return Visitor(vault.app.test_client())


@pytest.fixture
def ada(vault: Vault) -> Visitor:
    """A person, logged in."""
    return newcomer(vault, "ada")


@pytest.fixture
def bob(vault: Vault) -> Visitor:
    """Another person, logged in."""
    return newcomer(vault, "bob")


def newcomer(vault: Vault, name: str) -> Visitor:
    """A new person, logged in through the page; the name gets a number, because all tests share the vault."""
    username = f"{name}-{next(_numbers)}"
    add_person(vault.services, username)
    know_password(vault.services, username)
    visitor = Visitor(vault.app.test_client(), username)
    assert visitor.log_in().status_code == 303
    return visitor
