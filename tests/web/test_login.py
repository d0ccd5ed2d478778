"""Logging in through the page, and out again."""

from __future__ import annotations

import pytest

from tests.api.conftest import Vault
from tests.web.conftest import Visitor, newcomer, words

COOKIE = "__Host-strongroom"
DEVICE_COOKIE = "__Host-strongroom-device"
PASSWORD = "lantern gravel ninefold otter"


def test_a_login_leads_to_the_page_that_was_asked_for(vault: Vault, ada: Visitor) -> None:
    stranger = Visitor(vault.app.test_client(), ada.username)
    answer = stranger.get("/environments?q=prod")
    assert answer.headers["Location"] == "/login?next=/environments%3Fq%3Dprod"
    stranger.get(answer.headers["Location"])
    fields = {"username": ada.username, "password": PASSWORD, "next": "/environments?q=prod"}
    assert stranger.post("/login", fields).headers["Location"] == "/environments?q=prod"


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil", "javascript:alert(1)", "/\tevil", "/a b",
     "/\n/evil", "", "environments", "/%0d%0aSet-Cookie:a=b\r\n", "/\u2028evil"],
)  # fmt: skip
def test_a_login_never_leads_to_another_site(ada: Visitor, wanted: str) -> None:
    ada.client.delete_cookie(COOKIE, domain="localhost")
    ada.get("/login")
    fields = {"username": ada.username, "password": PASSWORD, "next": wanted}
    assert ada.post("/login", fields).headers["Location"] == "/"
    assert ada.client.get("/login", query_string={"next": wanted}, base_url="https://localhost:8443").headers[
        "Location"
    ] == "/"  # fmt: skip


def test_a_password_manager_finds_the_form_for_a_new_password(visitor: Visitor, ada: Visitor) -> None:
    for anybody in (visitor, ada):
        answer = anybody.get("/.well-known/change-password")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/security/password")
    assert ada.get("/security/password").status_code == 200
    # A manager asks for this too, to learn whether every address answers 200.
    nowhere = visitor.get("/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200")
    assert nowhere.status_code == 404


def test_a_wrong_password_is_told_beside_the_field_and_keeps_the_name(visitor: Visitor, ada: Visitor) -> None:
    visitor.get("/login")
    answer = visitor.post("/login", {"username": ada.username, "password": "wrong"})
    assert answer.status_code == 401
    assert "The username or the password is wrong." in words(answer)
    assert f'value="{ada.username}"' in answer.text
    assert 'wrong"' not in answer.text
    assert "Set-Cookie" not in answer.headers


def test_an_unknown_name_gets_the_same_page(visitor: Visitor, ada: Visitor) -> None:
    visitor.get("/login")
    known = visitor.post("/login", {"username": ada.username, "password": "wrong"})
    unknown = visitor.post("/login", {"username": "nobody-here", "password": "wrong"})
    assert known.status_code == unknown.status_code
    assert known.text.replace(ada.username, "") == unknown.text.replace("nobody-here", "")


def test_each_login_makes_a_new_session(vault: Vault, ada: Visitor) -> None:
    first = ada.client.get_cookie(COOKIE, domain="localhost")
    fixed = Visitor(vault.app.test_client(), ada.username)
    assert first
    # The id that an attacker planted before the login is not the one after it.
    fixed.client.set_cookie(COOKIE, first.value, domain="localhost", secure=True)
    ada.post("/logout")
    fixed.log_in()
    second = fixed.client.get_cookie(COOKIE, domain="localhost")
    assert second
    assert second.value != first.value


def test_the_cookie_is_the_strictest_that_there_is(ada: Visitor) -> None:
    cookie = ada.client.get_cookie(COOKIE, domain="localhost")
    assert cookie
    assert (cookie.secure, cookie.http_only, cookie.same_site, cookie.path) == (True, True, "Strict", "/")


def test_the_cookie_of_the_browser_is_as_strict_lasts_a_month_and_outlives_the_session(ada: Visitor) -> None:
    cookie = ada.client.get_cookie(DEVICE_COOKIE, domain="localhost")
    assert cookie
    assert (cookie.secure, cookie.http_only, cookie.same_site, cookie.path) == (True, True, "Strict", "/")
    assert cookie.max_age == 30 * 86_400
    ada.post("/logout")
    kept = ada.client.get_cookie(DEVICE_COOKIE, domain="localhost")
    assert kept
    assert kept.value == cookie.value


def test_a_stranger_at_the_same_address_does_not_lock_out_the_persons_browser(vault: Vault, ada: Visitor) -> None:
    ada.post("/logout")
    stranger = Visitor(vault.app.test_client(), ada.username)
    stranger.get("/login")
    fields = {"username": ada.username, "password": "wrong"}
    assert [stranger.post("/login", fields).status_code for _ in range(11)] == [401] * 10 + [429]
    # Another browser of hers, and the API, have no cookie, and are refused.
    assert Visitor(vault.app.test_client(), ada.username).log_in().status_code == 429
    assert ada.log_in().status_code == 303
    # The API takes no cookie.
    answer = ada.client.post("/api/v1/sessions", json={"username": ada.username, "password": PASSWORD})
    assert answer.status_code == 429


def test_a_login_that_is_not_whole_leaves_no_cookie(vault: Vault, ada: Visitor) -> None:
    stranger = Visitor(vault.app.test_client(), ada.username)
    stranger.get("/login")
    stranger.post("/login", {"username": ada.username, "password": "wrong"})
    assert stranger.client.get_cookie(DEVICE_COOKIE, domain="localhost") is None


def test_logging_out_ends_the_session_on_the_server(vault: Vault, ada: Visitor) -> None:
    kept = ada.client.get_cookie(COOKIE, domain="localhost")
    answer = ada.post("/logout")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    thief = Visitor(vault.app.test_client())
    assert kept
    thief.client.set_cookie(COOKIE, kept.value, domain="localhost", secure=True)
    assert thief.get("/environments").headers["Location"] == "/login?next=/environments"


def test_a_session_revoked_elsewhere_is_gone_at_the_next_click(vault: Vault) -> None:
    ada = newcomer(vault, "ada")
    elsewhere = Visitor(vault.app.test_client(), ada.username)
    elsewhere.log_in()
    elsewhere.post("/logout")
    assert ada.get("/environments").status_code == 200
    assert elsewhere.get("/environments").status_code == 303


def test_a_second_login_in_the_same_browser_ends_the_first_session(vault: Vault, ada: Visitor, bob: Visitor) -> None:
    def alive(secret: str) -> bool:
        other = Visitor(vault.app.test_client())
        other.client.set_cookie(COOKIE, secret, domain="localhost", secure=True)
        return other.get("/environments").status_code == 200

    def cookie() -> str:
        found = ada.client.get_cookie(COOKIE, domain="localhost")
        assert found
        return found.value

    first = cookie()
    ada.get("/environments")
    fields = {"username": ada.username, "password": PASSWORD}
    assert ada.post("/login", {**fields, "password": "wrong"}).status_code == 401
    assert alive(first)
    assert ada.post("/login", fields).status_code == 303
    second = cookie()
    assert [alive(first), alive(second)] == [False, True]
    # It is the browser's first session that ends, also if somebody else logs in there.
    ada.get("/environments")
    assert ada.post("/login", {**fields, "username": bob.username}).status_code == 303
    assert [alive(second), alive(cookie())] == [False, True]
    assert bob.get("/environments").status_code == 200
