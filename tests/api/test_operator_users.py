"""`/operator/users`: accounts over HTTPS, the rule that an operator stays, and everybody who is turned away."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.api.conftest import Answer, Caller, Vault, open_for_tests
from tests.api.test_operator_keys import again
from tests.conftest import FreshDatabase, Kind
from tests.support.vaults import HOST, PASSWORD, log_in, write
from vault.model.principal import Role

CALLS: tuple[tuple[str, str, object], ...] = (
    ("GET", "/operator/users", None),
    ("GET", "/operator/users/{user}", None),
    ("POST", "/operator/users/{user}/disable", None),
    ("POST", "/operator/users/{user}/enable", None),
    ("DELETE", "/operator/users/{user}/sessions", None),
    ("PUT", "/operator/users/{user}/role", {"role": "operator"}),
    ("POST", "/operator/users/{user}/erase", {"confirm": "{name}"}),
)


@pytest.fixture(params=["sqlite", "postgresql"])
def vault(tmp_path: Path, fresh_database: FreshDatabase, request: pytest.FixtureRequest) -> Iterator[Vault]:
    """A vault of the test's own: how many operators it has is nobody else's matter."""
    kind: Kind = request.param
    made = open_for_tests(tmp_path, fresh_database(kind))
    yield made
    made.services.storage.close()


def add_operator(vault: Vault, name: str) -> Caller:
    person = vault.person(name)
    write(
        vault.services, lambda unit: vault.services.people.accounts.set_role(unit, HOST, person.username, Role.OPERATOR)
    )
    return again(vault, person)


@pytest.fixture
def root(vault: Vault) -> Caller:
    """An operator who has just given their password."""
    return add_operator(vault, "root")


def test_accounts_are_listed_found_and_paged(root: Caller, ada: Caller, bob: Caller) -> None:
    told = root.ok("GET", "/operator/users")
    assert {item["username"] for item in told["items"]} == {root.username, ada.username, bob.username}
    assert set(told["items"][0]) == {"id", "username", "role", "state", "created_at"}
    names, path = [], "/operator/users?limit=1"
    while path:
        answer = root("GET", path)
        names += [item["username"] for item in answer.json["items"]]
        path = f"/operator/users?limit=1&cursor={answer.json['next']}" if answer.json["next"] else ""
    assert names == sorted([root.username, ada.username, bob.username])
    [found] = root.ok("GET", f"/operator/users?username={ada.username.upper()}")["items"]
    assert found == root.ok("GET", f"/operator/users/{ada.id}") == root.ok("GET", f"/operator/users/{ada.username}")
    assert root.ok("GET", "/operator/users?username=nobody")["items"] == []
    for reference in ("nobody", str(uuid.uuid4())):
        assert root("GET", f"/operator/users/{reference}").code == "not_found"


def test_a_disabled_account_is_out_and_comes_back_whole(vault: Vault, root: Caller, ada: Caller) -> None:
    made = ada.make("prod", A="1")
    token = ada.token({"environment_id": made["id"], "permissions": ["read"]})
    assert root.ok("POST", f"/operator/users/{ada.id}/disable")["state"] == "disabled"
    path = f"/environments/{made['id']}/values"
    assert [ada("GET", "/me").status, token("GET", path).status] == [401, 401]
    assert root.ok("POST", f"/operator/users/{ada.username}/enable")["state"] == "active"
    assert token.ok("GET", path)["values"] == {"A": "1"}
    assert ada("GET", "/me").status == 401


def test_a_role_ends_sessions(vault: Vault, root: Caller, ada: Caller) -> None:
    assert root.ok("PUT", f"/operator/users/{ada.id}/role", {"role": "operator"})["role"] == "operator"
    assert ada("GET", "/me").status == 401
    assert again(vault, ada).ok("GET", f"/operator/users/{root.id}")["role"] == "operator"
    assert root("PUT", f"/operator/users/{ada.id}/role", {"role": "root"}).status == 422


def test_an_erasure_wants_the_name_and_answers_with_its_report(vault: Vault, root: Caller, ada: Caller) -> None:
    ada.make("canary-environment", CANARY_NAME="canary-value")
    ada.token({"path": "*", "permissions": ["read"]})
    path = f"/operator/users/{ada.id}/erase"
    for body in ({}, {"confirm": root.username}):
        refused = root("POST", path, body)
        assert (refused.status, refused.json["path"]) == (422, "confirm")
    told = root("POST", path, {"confirm": ada.username}, Idempotency_Key="k")
    assert (told.status, told.json["user_id"], told.json["environments"], told.json["tokens"]) == (200, ada.id, 1, 1)
    assert told.json["erased_at"].endswith("Z")
    assert b"anary" not in told.body
    assert ada.username.encode() not in told.body
    assert ada("GET", "/me").status == 401
    assert root("GET", f"/operator/users/{ada.id}").status == 404
    # An answer is kept for whoever lost it on the way; without the key there is nobody to erase any more.
    replayed = root("POST", path, {"confirm": ada.username}, Idempotency_Key="k")
    assert (replayed.body, replayed.headers["idempotency-replayed"]) == (told.body, "true")
    assert root("POST", path, {"confirm": ada.username}).status == 404
    assert vault.services.audit.verifier.verify().faults == []


def test_no_operator_takes_away_themselves_or_the_last_one(vault: Vault, root: Caller, ada: Caller) -> None:
    second = add_operator(vault, "second")
    calls: dict[str, Callable[[Caller, Caller], Answer]] = {
        "disable": lambda who, whom: who("POST", f"/operator/users/{whom.id}/disable"),
        "role": lambda who, whom: who("PUT", f"/operator/users/{whom.id}/role", {"role": "user"}),
        "erase": lambda who, whom: who("POST", f"/operator/users/{whom.id}/erase", {"confirm": whom.username}),
    }
    for call in calls.values():
        answer = call(root, root)
        assert (answer.status, answer.code) == (409, "conflict")
        assert "your own account" in answer.json["detail"]
    assert calls["role"](root, second).status == 200
    refused = root("DELETE", "/me", {"password": PASSWORD})
    assert (refused.status, refused.code) == (409, "conflict")
    assert "last active operator" in refused.json["detail"]
    assert root.ok("GET", f"/operator/users/{root.id}")["role"] == "operator"
    # Whoever is no operator any more, or was never one, goes without a question.
    assert calls["erase"](root, second).status == 200
    assert calls["disable"](root, ada).status == 200


def test_a_replay_wants_the_operator_too(
    vault: Vault, root: Caller, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/operator/users/{ada.id}/disable"
    root.ok("POST", path, Idempotency_Key="k")
    monkeypatch.setattr("vault.model.principal.STEP_UP_SECONDS", -1)
    assert root("POST", path, Idempotency_Key="k").code == "step_up_required"


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_nobody_else_comes_in(
    vault: Vault, root: Caller, ada: Caller, bob: Caller, monkeypatch: pytest.MonkeyPatch,
    method: str, path: str, body: dict[str, str] | None,
) -> None:  # fmt: skip
    path = path.format(user=bob.id)
    body = body and {name: value.format(name=bob.username) for name, value in body.items()}
    before = root.ok("GET", "/operator/users")
    token = root.token({"path": "*", "permissions": ["read", "delete"]})
    assert vault.anyone()(method, path, body).status == 401
    for caller in (ada, bob, token):
        assert caller(method, path, body).code == "forbidden"
        # Whether there is somebody of that id is not told either.
        assert caller(method, path.replace(bob.id, str(uuid.uuid4())), body).code == "forbidden"
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
    with monkeypatch.context() as patched:
        patched.setattr("vault.model.principal.STEP_UP_SECONDS", -1)
        assert root(method, path, body).code == "step_up_required"
    assert root.ok("GET", "/operator/users") == before
    assert bob("GET", "/me").status == 200


def test_what_operators_look_at_is_in_the_trail(vault: Vault, root: Caller, ada: Caller) -> None:
    root.ok("GET", "/operator/users")
    root.ok("GET", f"/operator/users/{ada.id}")
    vault.services.audit.reads.drain()
    items = root.ok("GET", "/operator/audit?limit=200")["items"]
    assert {"user.list", "user.read"} <= {item["action"] for item in items}
    [read] = [item for item in items if item["action"] == "user.read"]
    assert read["details"] == {"account": ada.id}


def test_an_operator_reads_nobody_s_values(vault: Vault, root: Caller, ada: Caller) -> None:
    made = ada.make("prod", A="1")
    for path in (f"/environments/{made['id']}", f"/environments/{made['id']}/values", "/environments/prod/values"):
        assert root("GET", path).status == 404


def test_no_name_looks_like_an_id(vault: Vault, root: Caller) -> None:
    with vault.services.storage.write() as unit, pytest.raises(Exception, match="UUID"):
        vault.services.people.accounts.add(unit, HOST, str(uuid.uuid4()).upper(), PASSWORD)
    assert log_in(vault.services, root.username).user.id == root.id
