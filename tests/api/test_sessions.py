"""`/sessions` and `/me`: logging in and out, and one's own account."""

from __future__ import annotations

import pytest

from tests.api.conftest import Caller, Vault
from tests.support.vaults import PASSWORD, log_in

NEW_PASSWORD = "thimble orchard vivid ravine"


def login(vault: Vault, username: str, password: str) -> tuple[int, dict[str, object]]:
    answer = vault.anyone()("POST", "/sessions", {"username": username, "password": password})
    return answer.status, answer.json


def test_a_login_answers_a_session_that_works(vault: Vault, ada: Caller) -> None:
    status, session = login(vault, ada.username, PASSWORD)
    assert status == 201
    fields = {"id", "secret", "user", "created_at", "expires_at", "idle_seconds", "factors", "recovery_codes_left"}
    assert set(session) == fields
    assert (session["factors"], session["recovery_codes_left"]) == (["password"], None)
    assert str(session["secret"]).startswith("srm_s_")
    me = vault.anyone(str(session["secret"])).ok("GET", "/me")
    assert me == session["user"]
    assert (me["username"], me["role"], me["id"]) == (ada.username, "user", ada.id)


@pytest.mark.parametrize("variant", [str.upper, lambda name: f" {name} ", lambda name: name.replace("a", "\uff41")])
def test_case_space_and_nfkc_variants_of_a_name_are_the_same_account(
    vault: Vault, ada: Caller, variant: object
) -> None:
    assert callable(variant)
    assert login(vault, variant(ada.username), PASSWORD)[0] == 201


def test_a_wrong_password_and_an_unknown_name_are_told_alike(vault: Vault, ada: Caller) -> None:
    wrong, unknown = login(vault, ada.username, "wrong"), login(vault, "nobody-at-all", "wrong")
    assert wrong == unknown
    assert (wrong[0], wrong[1]["code"]) == (401, "bad_login")


def test_guessing_ends_with_429_and_says_when_to_come_back(vault: Vault, ada: Caller) -> None:
    for _ in range(10):
        assert login(vault, ada.username, "guess")[0] == 401
    answer = vault.anyone()("POST", "/sessions", {"username": ada.username, "password": PASSWORD})
    assert (answer.status, answer.code) == (429, "too_many_requests")
    assert 0 < int(answer.headers["retry-after"]) <= 15 * 60


def test_a_step_up_replaces_the_session_that_asked(vault: Vault, ada: Caller) -> None:
    fresh = ada.ok("POST", "/sessions/step-up", {"password": PASSWORD})
    assert fresh["id"] != ada.session_id
    assert ada("GET", "/me").status == 401
    assert vault.anyone(fresh["secret"])("GET", "/me").status == 200


def test_a_step_up_with_a_wrong_password_changes_nothing(ada: Caller) -> None:
    assert ada("POST", "/sessions/step-up", {"password": "wrong"}).code == "bad_login"
    assert ada("GET", "/me").status == 200


def test_sessions_are_listed_and_the_own_one_is_marked(vault: Vault, ada: Caller) -> None:
    other = log_in(vault.services, ada.username)
    items = ada.ok("GET", "/sessions")["items"]
    assert {item["id"]: item["current"] for item in items} == {ada.session_id: True, other.session.id: False}
    assert all(
        set(item)
        == {"id", "kind", "created_at", "last_seen_at", "expires_at", "address", "agent", "current"}
        for item in items
    )  # fmt: skip


def test_one_session_is_revoked_and_the_others_stay(vault: Vault, ada: Caller) -> None:
    other = log_in(vault.services, ada.username)
    assert ada("DELETE", f"/sessions/{other.session.id}").status == 204
    assert vault.anyone(other.secret)("GET", "/me").status == 401
    assert ada("GET", "/me").status == 200
    assert ada("DELETE", f"/sessions/{other.session.id}").code == "not_found"


def test_all_sessions_are_revoked_this_one_too(vault: Vault, ada: Caller) -> None:
    other = log_in(vault.services, ada.username)
    assert ada.ok("DELETE", "/sessions") == {"sessions": 2, "tokens": [], "tokens_ended": False}
    assert {ada("GET", "/me").status, vault.anyone(other.secret)("GET", "/me").status} == {401}


def test_a_browsers_session_is_refused_here(vault: Vault, ada: Caller) -> None:
    web = log_in(vault.services, ada.username, "web")
    assert vault.anyone(web.secret)("GET", "/me").status == 401


def test_a_new_password_ends_the_other_sessions(vault: Vault, ada: Caller) -> None:
    other = log_in(vault.services, ada.username)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    changed = ada.ok("PUT", "/me/password", body)
    assert (changed["tokens"], changed["tokens_ended"]) == ([], False)
    renewed = vault.anyone(changed["session"]["secret"])
    assert renewed.ok("GET", "/me")["id"] == changed["session"]["user"]["id"] == ada.id
    # A copy of the secret that made this call is as dead as the other sessions.
    assert {who("GET", "/me").status for who in (ada, vault.anyone(other.secret))} == {401}
    assert login(vault, ada.username, PASSWORD)[0] == 401
    assert login(vault, ada.username, NEW_PASSWORD)[0] == 201


@pytest.mark.parametrize(
    ("current", "new", "status", "code"),
    [
        ("wrong", NEW_PASSWORD, 401, "bad_login"),
        (PASSWORD, "password", 422, "invalid_input"),
        (PASSWORD, "short", 422, "invalid_input"),
        (PASSWORD, "x" * 1025, 422, "invalid_input"),
    ],
)
def test_a_password_that_cannot_be_changed_stays(
    vault: Vault, ada: Caller, current: str, new: str, status: int, code: str
) -> None:
    answer = ada("PUT", "/me/password", {"current_password": current, "new_password": new})
    assert (answer.status, answer.code) == (status, code)
    assert (answer.json["detail"] == "This is not your password.") == (current == "wrong")
    assert login(vault, ada.username, PASSWORD)[0] == 201


@pytest.mark.parametrize("end_tokens", [False, True])
@pytest.mark.parametrize("by", ["sessions", "password"])
def test_the_tokens_that_sessions_made_are_told_and_end_if_it_is_wished(
    vault: Vault, ada: Caller, by: str, end_tokens: bool
) -> None:
    made = ada.make("prod", A="1")
    thief = vault.anyone(log_in(vault.services, ada.username, address="127.0.0.1").secret)
    token = thief.token({"environment": "prod", "permissions": ["read"]})
    if by == "sessions":
        answer = ada.ok("DELETE", "/sessions" + ("?end_tokens=true" if end_tokens else ""))
    else:
        body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD, "end_tokens": end_tokens}
        answer = ada.ok("PUT", "/me/password", body)
    (told,) = answer["tokens"]
    assert (told["id"], told["name"], answer["tokens_ended"]) == (token.id, "t", end_tokens)
    assert set(told) == {"id", "name", "session_id", "created_at", "expires_at", "last_used_at"}
    assert token("GET", f"/environments/{made['id']}/values").status == (401 if end_tokens else 200)


@pytest.mark.parametrize(("query", "body"), [("?end_tokens=x", 1), ("?tokens=true", "true"), ("?end_tokens=", None)])
def test_a_wish_for_tokens_that_is_none_ends_nothing(vault: Vault, ada: Caller, query: str, body: object) -> None:
    assert ada("DELETE", "/sessions" + query).status == 422
    wish = {"current_password": PASSWORD, "new_password": NEW_PASSWORD, "end_tokens": body}
    assert ada("PUT", "/me/password", wish).status == 422
    assert ada("GET", "/me").status == 200


def test_a_deleted_account_is_gone_with_all_that_was_in_it(vault: Vault, ada: Caller) -> None:
    made = ada.make("prod", A="1")
    service = ada.token({"environment": "prod", "permissions": ["read"]})
    refused = ada("DELETE", "/me", {"password": "wrong"})
    assert (refused.code, refused.json["detail"]) == ("bad_login", "This is not your password.")
    told = ada.ok("DELETE", "/me", {"password": PASSWORD})
    assert [told[name] for name in ("environments", "revisions", "user_keys", "data_keys", "tokens")] == [1, 1, 1, 2, 1]
    assert [place["place"] for place in told["remains"]] == ["backups", "database", "memory", "audit"]
    assert {ada("GET", "/me").status, service("GET", f"/environments/{made['id']}/values").status} == {401}
    assert login(vault, ada.username, PASSWORD)[0] == 401
