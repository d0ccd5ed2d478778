"""Who gets to a page, and which forms are taken."""

from __future__ import annotations

import gzip
import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.routing import MapAdapter, Rule

from tests.api.conftest import Vault
from tests.support.vaults import PASSWORD
from tests.web.conftest import ORIGIN, SAME_ORIGIN, Visitor, newcomer
from vault.web.frame.csrf import LOGIN_COOKIE
from vault.web.frame.headers import POLICY

PUBLIC = {
    ("GET", "/login"), ("POST", "/login"), ("POST", "/login/second"), ("POST", "/login/passkey"),
    ("GET", "/.well-known/change-password"),
}  # fmt: skip
"""All pages that may be asked for without a session."""


def pages(vault: Vault) -> list[tuple[str, str]]:
    rules: list[Rule] = [rule for rule in vault.app.url_map.iter_rules() if rule.endpoint.startswith("web_")]
    return [(method, rule.rule) for rule in rules for method in sorted((rule.methods or set()) - {"OPTIONS"})]


def address(rule: str) -> str:
    return re.sub(r"<[^>]*>", "7b1c6b0e-1111-4222-8333-944455556666", rule)


def forms(vault: Vault) -> list[tuple[str, str]]:
    return [(method, rule) for method, rule in pages(vault) if method not in ("GET", "HEAD")]


def test_every_page_but_the_public_ones_sends_a_stranger_to_the_login(vault: Vault, visitor: Visitor) -> None:
    found = pages(vault)
    assert {route for route in found if route[0] != "HEAD"} >= PUBLIC
    for method, rule in found:
        if (method.replace("HEAD", "GET"), rule) not in PUBLIC:
            answer = visitor.client.open(address(rule), method=method, base_url=ORIGIN, headers=SAME_ORIGIN)
            assert (answer.status_code, answer.headers["Location"][:6]) == (303, "/login"), (method, rule)


def test_every_form_is_refused_without_both_proofs(vault: Vault, ada: Visitor) -> None:
    token = {"csrf_token": ada.token}
    attempts: list[tuple[dict[str, str], dict[str, str]]] = [
        (token, {}),
        (token, {"Sec-Fetch-Site": "cross-site"}),
        (token, {"Sec-Fetch-Site": "same-site"}),
        (token, {"Sec-Fetch-Site": "none"}),
        (token, {"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN}),
        (token, {"Origin": "https://evil.example"}),
        (token, {"Origin": "null"}),
        (token, {"Origin": "http://localhost:8443"}),
        ({}, SAME_ORIGIN),
        ({"csrf_token": "0" * 64}, SAME_ORIGIN),
        ({"csrf_token": "é"}, SAME_ORIGIN),
    ]
    found = forms(vault)
    assert len(found) > 5
    for method, rule in found:
        for fields, headers in attempts:
            answer = ada.client.open(address(rule), method=method, base_url=ORIGIN, data=fields, headers=headers)
            assert answer.status_code == 403, (method, rule, headers)


def test_the_token_of_another_session_is_refused(vault: Vault, ada: Visitor, bob: Visitor) -> None:
    mine, ada.token = ada.token, bob.token
    assert ada.post("/environments", {"name": "prod"}).status_code == 403
    ada.token = mine
    assert ada.post("/environments", {"name": "prod"}).status_code == 303
    again = newcomer(vault, "ada")
    ada.token = again.token
    assert ada.post("/environments", {"name": "dev"}).status_code == 403


def test_a_browser_that_sends_only_its_origin_is_taken(ada: Visitor) -> None:
    fields = {"csrf_token": ada.token, "name": "prod"}
    answer = ada.client.post("/environments", base_url=ORIGIN, data=fields, headers={"Origin": ORIGIN})
    assert answer.status_code == 303


def test_the_login_needs_the_token_of_its_own_page(visitor: Visitor) -> None:
    visitor.get("/login")
    visitor.client.delete_cookie(LOGIN_COOKIE, domain="localhost")
    assert visitor.post("/login", {"username": "ada", "password": PASSWORD}).status_code == 403


def test_a_bearer_token_opens_no_page_and_a_cookie_no_call(vault: Vault, ada: Visitor) -> None:
    session = vault.person("carol").secret
    stranger = Visitor(vault.app.test_client())
    assert stranger.get("/environments", Authorization=f"Bearer {session}").status_code == 303
    assert ada.get("/api/v1/environments").status_code == 401
    assert ada.get("/v1/secret/metadata?list=true").status_code == 403


def test_a_session_of_the_api_in_the_cookie_opens_no_page(vault: Vault, visitor: Visitor) -> None:
    secret = vault.person("carol").secret
    visitor.client.set_cookie("__Host-strongroom", secret, domain="localhost", secure=True)
    assert visitor.get("/environments").status_code == 303


@pytest.mark.parametrize("path", ["/login", "/environments", "/nothing/here", "/environments?q=%00"])
def test_every_answer_carries_the_pages_headers(ada: Visitor, path: str) -> None:
    headers = ada.get(path).headers
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["Cache-Control"] == "no-store"
    assert "camera=()" in headers["Permissions-Policy"]


def test_what_no_database_can_look_up_is_refused_on_every_page(vault: Vault, ada: Visitor) -> None:
    for method, rule in pages(vault):
        if "<" in rule and "fallback" not in rule and method != "HEAD":
            path = re.sub(r"<[^>]*>", "%00", rule)
            answer = ada.client.open(
                path, method=method, base_url=ORIGIN, data={"csrf_token": ada.token}, headers=SAME_ORIGIN
            )
            assert answer.status_code in (404, 422), (method, rule, answer.status_code)
    ada.client.delete_cookie("__Host-strongroom", domain="localhost")
    ada.get("/login")
    assert ada.post("/login", {"username": "a\0b", "password": PASSWORD}).status_code == 401


def test_a_form_of_more_fields_than_any_page_has_is_not_read(visitor: Visitor) -> None:
    visitor.get("/login")
    for count, status in ((50, 403), (64, 413), (10_200, 413)):
        body = b"a&" * count
        content = "application/x-www-form-urlencoded"
        answer = visitor.client.post("/login", base_url=ORIGIN, data=body, content_type=content, headers=SAME_ORIGIN)
        assert answer.status_code == status, count


def test_a_form_at_an_endless_address_is_not_looked_for_part_by_part(
    vault: Vault, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0
    match: Any = MapAdapter.match

    def counted(*given: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        return match(*given, **named)

    monkeypatch.setattr(MapAdapter, "match", counted)
    answer = visitor.client.post("/a" * 2000, base_url=ORIGIN, headers=SAME_ORIGIN)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert count < 10


def test_an_address_that_is_no_page_says_so(ada: Visitor) -> None:
    answer = ada.get("/nothing/here")
    assert (answer.status_code, "no such page" in answer.text) == (404, True)


def test_what_pages_load_is_public_and_kept_by_its_content(client: FlaskClient, ada: Visitor) -> None:
    sheet = re.search(r'href="(/static/\w+/strongroom\.css)"', ada.get("/environments").text)
    assert sheet
    answer = client.get(sheet[1], base_url=ORIGIN)
    assert (answer.status_code, answer.mimetype) == (200, "text/css")
    assert "immutable" in answer.headers["Cache-Control"]
    small = client.get(sheet[1], base_url=ORIGIN, headers={"Accept-Encoding": "gzip, br"})
    assert (small.headers["Content-Encoding"], gzip.decompress(small.data)) == ("gzip", answer.data)
    plain = client.get(sheet[1], base_url=ORIGIN, headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in plain.headers
    assert client.get(sheet[1].replace(".css", ".html"), base_url=ORIGIN).status_code == 404
    assert client.get("/static/0/strongroom.css", base_url=ORIGIN).status_code == 404


@pytest.fixture
def client(vault: Vault) -> FlaskClient:
    """A browser without any cookie."""
    return vault.app.test_client()
