"""`/operator/keys`: the whole life of a key over HTTPS, and everybody who is turned away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Caller, Vault, open_for_tests
from tests.conftest import FreshDatabase
from tests.support.rotating import worker
from tests.support.vaults import HOST, log_in
from vault.model.principal import Role

CALLS: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/operator/keys", None),
    ("POST", "/operator/keys/rotate", {}),
    ("POST", "/operator/keys/rewrap", {}),
    ("POST", "/operator/keys/reseal", {}),
    ("POST", "/operator/keys/1/retire", {}),
    ("POST", "/operator/keys/1/destroy", {"now": True, "confirm": 1}),
)


@pytest.fixture
def vault(tmp_path: Path, fresh_database: FreshDatabase) -> Iterator[Vault]:
    """A vault of the test's own: what is done to its keys is nobody else's matter."""
    made = open_for_tests(tmp_path, fresh_database("sqlite"))
    yield made
    made.services.storage.close()


@pytest.fixture
def root(vault: Vault) -> Caller:
    """An operator who has just given their password."""
    person = vault.person("root")
    with vault.services.storage.write() as unit:
        vault.services.people.accounts.set_role(unit, HOST, person.username, Role.OPERATOR)
    return again(vault, person)


def again(vault: Vault, person: Caller) -> Caller:
    session = log_in(vault.services, person.username, address="127.0.0.1")
    return Caller(vault.app, session.secret, person.id, person.username, session.session.id)


def states(answer: dict[str, list[dict[str, object]]]) -> dict[object, object]:
    return {each["version"]: each["state"] for each in answer["versions"]}


@pytest.mark.parametrize(("method", "path", "body"), CALLS[1:])
def test_a_call_whose_answer_is_not_stored_refuses_a_retry_key(root: Caller, method: str, path: str, body: Any) -> None:
    before = root.ok("GET", "/operator/keys")
    answer = root(method, path, body, Idempotency_Key="k")
    assert (answer.status, answer.code) == (400, "idempotency_unsupported")
    assert "without an Idempotency-Key" in answer.json["detail"]
    assert root.ok("GET", "/operator/keys") == before


def test_a_key_s_whole_life(vault: Vault, root: Caller, ada: Caller) -> None:
    ada.make("prod", A="1")
    assert states(root.ok("GET", "/operator/keys")) == {1: "active"}
    assert states(root.ok("POST", "/operator/keys/rotate", {})) == {1: "retiring", 2: "active"}
    done = root.ok("POST", "/operator/keys/rewrap", {"max_per_second": 5000})
    assert (done["left"], done["broken"]) == (0, [])
    assert done["done"] >= 3
    assert states(root.ok("POST", "/operator/keys/1/retire", {})) == {1: "disabled", 2: "active"}
    assert states(root.ok("POST", "/operator/keys/1/retire", {"undo": True})) == {1: "retiring", 2: "active"}
    root.ok("POST", "/operator/keys/1/retire", {})
    waiting = root("POST", "/operator/keys/1/destroy", {})
    assert (waiting.status, waiting.code) == (409, "conflict")
    unsure = root("POST", "/operator/keys/1/destroy", {"now": True})
    assert (unsure.status, unsure.json["path"]) == (422, "confirm")
    told = root.ok("POST", "/operator/keys/1/destroy", {"now": True, "confirm": 1})
    assert states(told) == {1: "destroyed", 2: "active"}
    assert ada.ok("GET", "/environments/prod/values")["values"] == {"A": "1"}


def test_a_person_s_key_and_the_system_key(vault: Vault, root: Caller, ada: Caller) -> None:
    ada.make("prod", A="1")
    before = vault.services.instance.system_key_id
    root.ok("POST", "/operator/keys/rotate", {"user": ada.username.upper()})
    root.ok("POST", "/operator/keys/rotate", {"system": True})
    assert vault.services.instance.system_key_id != before
    assert root("POST", "/operator/keys/rotate", {"user": "nobody"}).status == 404
    assert root("POST", "/operator/keys/rotate", {"user": "x", "system": True}).status == 422
    assert root("POST", "/operator/keys/rotate", {"provder": "file"}).status == 422
    assert ada.ok("GET", "/environments/prod/values")["values"] == {"A": "1"}


def test_a_reseal_ends_every_session_and_tokens_go_on(vault: Vault, root: Caller, ada: Caller) -> None:
    made = ada.make("prod", A="1")
    token = ada.token({"environment_id": made["id"], "permissions": ["read"]})
    told = root.ok("POST", "/operator/keys/reseal", {})
    assert (told["finished"], told["tokens_left"]) == (True, 1)
    assert told["tokens_refused_at"].endswith("Z")
    assert root("GET", "/operator/keys").status == 401
    assert token.ok("GET", f"/environments/{made['id']}/values")["values"] == {"A": "1"}
    assert again(vault, ada).ok("GET", "/environments/prod/values")["values"] == {"A": "1"}


def test_a_worker_that_does_not_know_the_version_yet_is_told_of(
    vault: Vault, root: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.api.operator_keys.REQUEST_WAIT_SECONDS", 0.1)
    with worker(vault.services) as other:
        answer = root("POST", "/operator/keys/rotate", {})
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert root.ok("GET", "/operator/keys")["workers"][0]["knows_version"] == 1
        other.learn()
        assert states(root.ok("POST", "/operator/keys/rotate", {})) == {1: "retiring", 2: "active"}


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_nobody_else_comes_in(
    vault: Vault, root: Caller, ada: Caller, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: object
) -> None:
    token = root.token({"path": "*", "permissions": ["read", "delete"]})
    assert vault.anyone()(method, path, body).status == 401
    for caller in (ada, token):
        assert caller(method, path, body).code == "forbidden"
    client = vault.app.test_client()
    headers = {"Authorization": f"Bearer {root.secret}"}
    for environ in (
        {"REMOTE_ADDR": "192.0.2.9"},
        {"strongroom.forwarded_by_stranger": True},
        {"strongroom.forwarded_by_proxy": True},
        {"REMOTE_ADDR": ""},
    ):
        answer = client.open(f"/api/v1{path}", method=method, json=body, headers=headers, environ_overrides=environ)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden")
    monkeypatch.setattr("vault.model.principal.STEP_UP_SECONDS", -1)
    assert root(method, path, body).code == "step_up_required"
    assert states_of(vault) == {1: "active"}


def states_of(vault: Vault) -> dict[int, str]:
    return {each.version: each.state for each in vault.services.keys.master.status(HOST).versions}


@pytest.mark.parametrize("provider", ["nope", "transit", "awskms", "File", "0" * 32])
def test_a_provider_that_this_server_cannot_use_is_refused_and_named(root: Caller, provider: str) -> None:
    answer = root("POST", "/operator/keys/rotate", {"provider": provider})
    assert (answer.status, answer.json["path"]) == (422, "provider")
    assert provider in answer.json["detail"] or "STRONGROOM_" in answer.json["detail"]
    assert [each["version"] for each in root.ok("GET", "/operator/keys")["versions"]] == [1]
