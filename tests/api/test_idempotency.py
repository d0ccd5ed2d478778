"""`Idempotency-Key`: the same call with the same key happens once, and is answered the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Answer, Caller, Vault
from tests.support.vaults import PASSWORD, log_in

Body = Any
Prepared = tuple[str, str, Body, dict[str, Any]]


def post_environment(ada: Caller) -> Prepared:
    return "POST", "/environments", {"name": "new", "variables": [{"name": "A", "value": "canary"}]}, {}


def post_copy(ada: Caller) -> Prepared:
    return "POST", "/environments/prod/copy", {"name": "copied"}, {}


def post_rollback(ada: Caller) -> Prepared:
    return "POST", "/environments/prod/rollback", {"revision": 1}, {}


def post_token(ada: Caller) -> Prepared:
    return "POST", "/tokens", {"name": "t", "grants": [{"path": "*", "permissions": ["read"]}]}, {}


def post_rotate(ada: Caller) -> Prepared:
    return "POST", f"/tokens/{ada.token({'path': '*', 'permissions': ['read']}).id}/rotate", None, {}


def post_import(ada: Caller) -> Prepared:
    return "POST", "/import", {"environment": "prod", "format": "dotenv", "text": "Z=1"}, {}


def patch_variables(ada: Caller) -> Prepared:
    return "PATCH", "/environments/prod/variables", {"variables": {"A": "2"}}, {}


def patch_environment(ada: Caller) -> Prepared:
    return "PATCH", "/environments/prod", {"name": "renamed"}, {}


def put_variables(ada: Caller) -> Prepared:
    etag = ada("GET", "/environments/prod/variables").etag
    return "PUT", "/environments/prod/variables", {"variables": []}, {"If_Match": etag}


def put_variable(ada: Caller) -> Prepared:
    return "PUT", "/environments/prod/variables/A", {"value": "2"}, {}


def delete_variable(ada: Caller) -> Prepared:
    return "DELETE", "/environments/prod/variables/A", None, {}


def delete_environment(ada: Caller) -> Prepared:
    return "DELETE", "/environments/prod", None, {}


def post_undelete(ada: Caller) -> Prepared:
    ada.ok("DELETE", "/environments/prod")
    return "POST", "/environments/prod/undelete", None, {}


def delete_token(ada: Caller) -> Prepared:
    return "DELETE", f"/tokens/{ada.token({'path': '*', 'permissions': ['read']}).id}", None, {}


CALLS = [
    post_environment, post_copy, post_rollback, post_token, post_rotate, post_import, post_undelete,
    patch_variables, patch_environment, put_variables, put_variable,
    delete_variable, delete_environment, delete_token,
]  # fmt: skip


@pytest.fixture
def prod(ada: Caller) -> str:
    return str(ada.make("prod", A="1")["id"])


def state(ada: Caller) -> Any:
    """All that a call here may change."""
    environments = ada.ok("GET", "/environments")["items"]
    gone = ada.ok("GET", "/environments?deleted=true")["items"]
    return environments, gone, ada.ok("GET", "/tokens")["items"]


@pytest.mark.parametrize("prepare", CALLS)
def test_a_call_with_the_same_key_happens_once(ada: Caller, prod: str, prepare: Callable[[Caller], Prepared]) -> None:
    method, path, body, headers = prepare(ada)
    first = ada(method, path, body, Idempotency_Key="k", **headers)
    assert 200 <= first.status < 300, first
    after = state(ada)
    again = ada(method, path, body, Idempotency_Key="k", **headers)
    assert (again.status, again.body) == (first.status, first.body)
    for name in ("etag", "location"):
        assert again.headers.get(name) == first.headers.get(name)
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    assert state(ada) == after


@pytest.mark.parametrize(
    ("body", "more"),
    [
        ({"variables": {"A": "other"}}, {}),
        ({"variables": {"A": "2"}}, {"If_Match": "*"}),
        (None, {"raw": b'{"variables": {"A":  "2"}}'}),
    ],
)
def test_the_same_key_for_a_different_request_is_a_conflict(
    ada: Caller, prod: str, body: Any, more: dict[str, Any]
) -> None:
    path = "/environments/prod/variables"
    ada.ok("PATCH", path, {"variables": {"A": "2"}}, Idempotency_Key="k")
    answer = ada("PATCH", path, body, Idempotency_Key="k", **more)
    assert (answer.status, answer.code) == (409, "idempotency_mismatch")
    assert ada.ok("GET", "/environments/prod")["revision"] == 2


def test_the_same_key_at_another_address_is_another_call(ada: Caller, prod: str) -> None:
    ada.make("other", A="1")
    body = {"variables": {"A": "2"}}
    for path in ("prod", prod, "other"):
        answer = ada("PATCH", f"/environments/{path}/variables", body, Idempotency_Key="k")
        assert (answer.status, "idempotency-replayed" in answer.headers) == (200, False)
    assert ada("PUT", "/environments/prod/variables/A", {"value": "3"}, Idempotency_Key="k").json == {"revision": 3}


def test_the_same_key_of_another_principal_is_another_call(vault: Vault, ada: Caller, bob: Caller, prod: str) -> None:
    body = {"name": "mine", "grants": [{"path": "*", "permissions": ["read"]}]}
    second = vault.anyone(log_in(vault.services, ada.username).secret)
    delegate = ada.token({"path": "*", "permissions": ["read", "delegate"]})
    made = [who.ok("POST", "/tokens", body, Idempotency_Key="k") for who in (ada, bob, second, delegate)]
    assert len({token["secret"] for token in made}) == 4


def test_a_refusal_is_not_kept(ada: Caller, prod: str) -> None:
    body = {"name": "prod"}
    assert ada("POST", "/environments", body, Idempotency_Key="k").code == "name_taken"
    ada.ok("DELETE", "/environments/prod")
    assert ada("POST", "/environments", body, Idempotency_Key="k").status == 201


def test_a_replay_is_refused_when_the_grant_no_longer_covers_it(ada: Caller) -> None:
    made = ada.make("team/prod", A="1")
    service = ada.token({"path": "team", "permissions": ["list", "read", "update"]})
    path, body = f"/environments/{made['id']}/variables", {"variables": {"A": "2"}}
    assert service("PATCH", path, body, Idempotency_Key="k").status == 200
    ada.ok("PATCH", f"/environments/{made['id']}", {"name": "elsewhere"})
    assert service("PATCH", path, body, Idempotency_Key="k").code == "not_found"
    ada.ok("PATCH", f"/environments/{made['id']}", {"name": "team/back"})
    assert service("PATCH", path, body, Idempotency_Key="k").headers["idempotency-replayed"] == "true"


def test_a_replay_is_refused_when_the_credential_is_gone(ada: Caller, prod: str) -> None:
    service = ada.token({"environment_id": prod, "permissions": ["update"]})
    path, body = f"/environments/{prod}/variables", {"variables": {"A": "2"}}
    assert service("PATCH", path, body, Idempotency_Key="k").status == 200
    ada.ok("DELETE", f"/tokens/{service.id}")
    assert service("PATCH", path, body, Idempotency_Key="k").status == 401


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_a_length(ada: Caller, prod: str, key: str) -> None:
    answer = ada("PATCH", "/environments/prod/variables", {"variables": {"A": "2"}}, Idempotency_Key=key)
    assert (answer.status, answer.json["path"]) == (422, "Idempotency-Key")
    assert ada.ok("GET", "/environments/prod")["revision"] == 1


def test_a_dry_run_is_not_kept(ada: Caller, prod: str) -> None:
    body = {"environment": "prod", "format": "dotenv", "text": "Z=1", "dry_run": True}
    first, second = (ada("POST", "/import", body, Idempotency_Key="k") for _ in range(2))
    assert (first.json, first.status) == (second.json, 200)


def test_the_same_call_eight_times_at_once_happens_once(ada: Caller, prod: str) -> None:
    answers: list[Answer] = []
    start = threading.Barrier(8)

    def call() -> None:
        start.wait()
        answers.append(ada("POST", "/environments/prod/rollback", {"revision": 1}, Idempotency_Key="k"))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(answer.status, answer.body) for answer in answers} == {(200, b'{"revision":2}\n')}
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert ada.ok("GET", "/environments/prod")["revision"] == 2


NEW = "another gravel lantern otter"


def test_a_password_is_changed_once_and_the_answer_given_again(vault: Vault, ada: Caller) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW}
    first, again = (ada("PUT", "/me/password", body, Idempotency_Key="k") for _ in range(2))
    assert (first.status, again.status, again.json) == (200, 200, first.json)
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    # However often it is asked: no replay counts as a wrong password.
    assert {ada("PUT", "/me/password", body, Idempotency_Key="k").status for _ in range(12)} == {200}
    # Without the key, with another, or for another call, the session is what it is: another has replaced it.
    assert ada("PUT", "/me/password", body).code == "not_authenticated"
    assert ada("PUT", "/me/password", body, Idempotency_Key="other").code == "not_authenticated"
    assert ada("GET", "/me", Idempotency_Key="k").code == "not_authenticated"
    assert ada("DELETE", "/sessions", Idempotency_Key="k").code == "not_authenticated"
    renewed = vault.anyone(again.json["session"]["secret"])
    assert renewed("PUT", "/me/password", body).code == "bad_login"
    assert renewed("PUT", "/me/password", body, Idempotency_Key="k").code == "bad_login"
    login = vault.anyone()("POST", "/sessions", {"username": ada.username, "password": NEW})
    assert login.status == 201


def test_the_key_of_a_password_for_another_one_is_a_conflict(vault: Vault, ada: Caller) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW}
    ada.ok("PUT", "/me/password", body, Idempotency_Key="k")
    answer = ada("PUT", "/me/password", {**body, "new_password": NEW + "!"}, Idempotency_Key="k")
    assert (answer.status, answer.code) == (409, "idempotency_mismatch")
    assert ada("PUT", "/me/password", body, Idempotency_Key="").status == 422


def test_a_wrong_password_is_not_kept_and_is_throttled_with_a_key_too(
    vault: Vault, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> bytes:
        raise AssertionError("Whoever knows no password makes nobody hash for a key.")

    monkeypatch.setattr("vault.services.idempotency.slow_digest", never)
    body = {"current_password": "wrong password!", "new_password": NEW}
    answers = [ada("PUT", "/me/password", body, Idempotency_Key="k") for _ in range(12)]
    assert {answer.code for answer in answers} == {"bad_login", "too_many_requests"}


def test_an_erasure_with_a_key_leaves_nothing_to_ask_for(vault: Vault, ada: Caller) -> None:
    body = {"password": PASSWORD}
    assert ada("DELETE", "/me", body, Idempotency_Key="k").status == 200
    assert ada("DELETE", "/me", body, Idempotency_Key="k").code == "not_authenticated"
    with vault.services.storage.read() as unit:
        assert unit.connection.exec_driver_sql(f"SELECT 1 FROM idempotency WHERE user_id = '{ada.id}'").all() == []


def test_the_same_password_change_four_times_at_once_happens_once(ada: Caller) -> None:
    answers: list[Answer] = []
    start = threading.Barrier(4)
    body = {"current_password": PASSWORD, "new_password": NEW}

    def call() -> None:
        start.wait()
        answers.append(ada("PUT", "/me/password", body, Idempotency_Key="k"))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(answer.status, answer.body) for answer in answers} == {(200, answers[0].body)}
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
