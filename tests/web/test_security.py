"""The security pages: sessions, the password, second factors, step-up, the account's end."""

from __future__ import annotations

import re
import time

import pyotp
import pytest

from tests.api.conftest import Vault
from tests.support.vaults import PASSWORD, add_token, as_session, grant
from tests.web.conftest import ORIGIN, Visitor, newcomer, words
from vault.errors import VaultLocked

COOKIE = "__Host-strongroom"
NEW_PASSWORD = "harbour velvet thirty moss"
_CODE = re.compile(r"\b[0-9a-z]{4}(?:-[0-9a-z]{4}){5}\b")
_CHALLENGE = re.compile(r'name="challenge" value="([0-9a-f-]{36})"')


def with_app(visitor: Visitor) -> tuple[str, list[str]]:
    """Add an authenticator app; its secret, and the recovery codes."""
    visitor.get("/security")
    page = visitor.post("/security/totp").headers["Location"]
    found = re.search(r'<pre id="secret"[^>]*>([A-Z2-7 ]+)</pre>', visitor.get(page).text)
    assert found
    secret = found[1].replace(" ", "")
    answer = visitor.post(page, {"code": pyotp.TOTP(secret).now(), "name": "phone"})
    assert answer.status_code == 201
    return secret, _CODE.findall(answer.text)


def next_code(secret: str) -> str:
    """A code that was not used to confirm the app."""
    return pyotp.TOTP(secret).at(int(time.time()) + 30)


def challenged(vault: Vault, visitor: Visitor, wanted: str = "") -> tuple[Visitor, dict[str, str]]:
    """Somebody who has given the password of an account with a second factor, and the fields of the second step."""
    other = Visitor(vault.app.test_client(), visitor.username)
    other.get("/login")
    answer = other.post("/login", {"username": visitor.username, "password": PASSWORD, "next": wanted})
    found = _CHALLENGE.search(answer.text)
    assert (answer.status_code, bool(found)) == (200, True)
    assert found
    assert not other.client.get_cookie(COOKIE, domain="localhost")
    return other, {"challenge": found[1], "kinds": "totp recovery", "next": wanted}


def aged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no proof be recent any more."""
    monkeypatch.setattr("vault.model.principal.STEP_UP_SECONDS", -1)


# -- Sessions --


def test_the_page_tells_where_one_is_logged_in_and_ends_it(vault: Vault, ada: Visitor) -> None:
    phone = Visitor(vault.app.test_client(), ada.username)
    phone.log_in()
    page = ada.get("/security")
    assert "this one" in words(page)
    found = re.search(r'action="(/security/sessions/\w+/end)"', page.text)
    assert found
    assert ada.post(found[1]).headers["Location"] == "/security?said=session-ended"
    assert phone.get("/security").status_code == 303


def test_all_other_sessions_end_and_this_one_stays(vault: Vault, ada: Visitor) -> None:
    phone = Visitor(vault.app.test_client(), ada.username)
    phone.log_in()
    ada.get("/security")
    assert ada.post("/security/sessions/end-others").status_code == 303
    assert phone.get("/security").status_code == 303
    assert ada.get("/security").status_code == 200


def a_token(vault: Vault, visitor: Visitor, name: str) -> str:
    """The id of a token that this browser's session makes."""
    cookie = visitor.client.get_cookie(COOKIE, domain="localhost")
    assert cookie
    who = as_session(vault.services, cookie.value, "web", "127.0.0.1")
    return add_token(vault.services, who, grant("read", path="*"), name=name).id


def left(vault: Vault, *token_ids: str) -> list[str]:
    """Which of these tokens are still active."""
    with vault.services.storage.read() as unit:
        rows = [unit.tokens.by_id(token_id) for token_id in token_ids]
    return [row.name for row in rows if row is not None and row.revoked_us is None]


def test_the_tokens_of_the_other_sessions_are_offered_for_ending(vault: Vault, ada: Visitor) -> None:
    thief = Visitor(vault.app.test_client(), ada.username)
    thief.log_in()
    mine, stolen = a_token(vault, ada, "<b>mine"), a_token(vault, thief, "<b>backup")
    ada.get("/security")
    answer = ada.post("/security/sessions/end-others")
    assert answer.headers["Location"] == "/security/made-tokens?said=sessions-ended"
    page = ada.get(answer.headers["Location"])
    assert "Your other sessions have ended." in words(page)
    assert all(text in words(page) for text in ("<b>mine", "<b>backup", "this session"))
    assert "<b>" not in page.text
    assert re.findall(r'value="(\w+)" checked', page.text) == [stolen]
    assert left(vault, mine, stolen) == ["<b>mine", "<b>backup"]
    answer = ada.post("/security/made-tokens/end", {"token": [stolen]})
    assert answer.headers["Location"] == "/security?said=tokens-ended"
    assert left(vault, mine, stolen) == ["<b>mine"]
    assert ada.post("/security/made-tokens/end").headers["Location"] == "/security?said=no-tokens-ended"


def test_a_new_password_offers_the_tokens_of_all_sessions(vault: Vault, ada: Visitor) -> None:
    made = a_token(vault, ada, "backup")
    fields = {"current": PASSWORD, "new": NEW_PASSWORD, "again": NEW_PASSWORD}
    answer = ada.post("/security/password", fields)
    assert answer.headers["Location"] == "/security/made-tokens?said=password-changed"
    # The page and its form belong to the new session.
    assert f'value="{made}" checked' in ada.get(answer.headers["Location"]).text
    ada.post("/security/made-tokens/end", {"token": [made]})
    assert left(vault, made) == []
    assert "made no token that still works" in words(ada.get("/security/made-tokens"))


def test_nobody_ends_anothers_token_there(vault: Vault, ada: Visitor, bob: Visitor) -> None:
    made = a_token(vault, ada, "backup")
    bob.get("/security/made-tokens")
    assert bob.post("/security/made-tokens/end", {"token": [made]}).status_code == 303
    assert left(vault, made) == ["backup"]
    ada.token = "0" * 64
    assert ada.post("/security/made-tokens/end", {"token": [made]}).status_code == 403
    assert left(vault, made) == ["backup"]


def test_without_tokens_the_page_of_security_comes_next(vault: Vault, ada: Visitor) -> None:
    a_token(vault, ada, "of this session")
    ada.get("/security")
    assert ada.post("/security/sessions/end-others").headers["Location"] == "/security?said=sessions-ended"


def test_nobody_ends_anothers_session(vault: Vault, ada: Visitor, bob: Visitor) -> None:
    other = Visitor(vault.app.test_client(), ada.username)
    other.log_in()
    found = re.search(r'action="(/security/sessions/\w+/end)"', ada.get("/security").text)
    assert found
    assert bob.post(found[1]).status_code == 404
    assert other.get("/security").status_code == 200


def test_what_a_program_says_of_itself_is_text(vault: Vault, ada: Visitor) -> None:
    other = Visitor(vault.app.test_client(), ada.username)
    other.get("/login")
    agent = "<script>alert(1)</script>"
    other.post("/login", {"username": ada.username, "password": PASSWORD}, User_Agent=agent)
    page = ada.get("/security")
    assert agent in words(page)
    assert agent not in page.text


# -- The password and the account's end --


def test_a_new_password_takes_the_place_of_the_old_one(vault: Vault, ada: Visitor) -> None:
    fields = {"current": PASSWORD, "new": NEW_PASSWORD, "again": NEW_PASSWORD}
    assert ada.post("/security/password", fields).headers["Location"] == "/security?said=password-changed"
    other = Visitor(vault.app.test_client(), ada.username)
    assert other.log_in().status_code == 401
    assert other.log_in(NEW_PASSWORD).status_code == 303


def test_a_new_password_ends_copies_of_the_very_cookie_that_changed_it(vault: Vault, ada: Visitor) -> None:
    thief = Visitor(vault.app.test_client(), ada.username)
    cookie = ada.client.get_cookie(COOKIE, domain="localhost")
    assert cookie
    thief.client.set_cookie(COOKIE, cookie.value, domain="localhost", secure=True)
    assert thief.get("/environments").status_code == 200
    ada.post("/security/password", {"current": PASSWORD, "new": NEW_PASSWORD, "again": NEW_PASSWORD})
    assert thief.get("/environments").headers["Location"].startswith("/login")
    assert ada.get("/environments").status_code == 200


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({"current": "wrong"}, 401, "This is not your password."),
        ({"again": "another"}, 422, "The two passwords are different."),
        ({"new": "short", "again": "short"}, 422, "password"),
    ],
)
def test_a_password_that_cannot_be_is_told_beside_its_field(
    ada: Visitor, fields: dict[str, str], status: int, sentence: str
) -> None:
    usual = {"current": PASSWORD, "new": NEW_PASSWORD, "again": NEW_PASSWORD}
    answer = ada.post("/security/password", usual | fields)
    assert answer.status_code == status
    assert sentence in words(answer)
    assert 'aria-invalid="true"' in answer.text
    assert PASSWORD not in answer.text
    assert NEW_PASSWORD not in answer.text


def test_an_account_ends_for_whoever_types_its_name_and_password(vault: Vault, ada: Visitor) -> None:
    fields = {"username": ada.username, "password": PASSWORD}
    assert ada.post("/security/delete", fields | {"username": "ada"}).status_code == 422
    assert ada.post("/security/delete", fields | {"password": "wrong"}).status_code == 401
    answer = ada.post("/security/delete", fields)
    assert answer.headers["Location"] == "/login?said=account-gone"
    assert answer.headers["Clear-Site-Data"]
    assert Visitor(vault.app.test_client(), ada.username).log_in().status_code == 401


# -- Second factors --


def test_an_account_with_an_app_needs_its_code(vault: Vault, ada: Visitor) -> None:
    secret, codes = with_app(ada)
    assert len(codes) == 10
    other, fields = challenged(vault, ada, "/security")
    wrong = other.post("/login/second", fields | {"code": "000000"})
    assert (wrong.status_code, "not accepted" in words(wrong)) == (401, True)
    assert _CHALLENGE.search(wrong.text), "The same challenge is tried again."
    right = other.post("/login/second", fields | {"code": next_code(secret)})
    assert right.headers["Location"] == "/security"
    assert other.get("/security").status_code == 200


def test_a_recovery_code_logs_in_once_and_the_others_are_counted(vault: Vault, ada: Visitor) -> None:
    _, codes = with_app(ada)
    other, fields = challenged(vault, ada)
    answer = other.post("/login/second", fields | {"recovery_code": codes[3]})
    assert answer.headers["Location"] == "/security?said=recovery-used"
    assert "9 left" in words(other.get("/security"))
    third, fields = challenged(vault, ada)
    assert third.post("/login/second", fields | {"recovery_code": codes[3]}).status_code == 401


def test_a_recovery_code_in_the_field_of_the_app_is_told_where_to_go(vault: Vault, ada: Visitor) -> None:
    _, codes = with_app(ada)
    other, fields = challenged(vault, ada)
    # More often than a challenge has attempts: none is counted.
    for code in [codes[3], codes[3].upper(), "12345a", "１２３４５６", codes[3], "-"]:
        answer = other.post("/login/second", fields | {"code": code})
        assert (answer.status_code, "field for recovery codes" in words(answer)) == (422, True)
        assert _CHALLENGE.search(answer.text), "The same challenge is tried again."
    answer = other.post("/login/second", fields | {"recovery_code": codes[3]})
    assert answer.headers["Location"] == "/security?said=recovery-used"


def test_new_codes_are_told_once_and_a_reload_makes_no_others(vault: Vault, ada: Visitor) -> None:
    secret, old = with_app(ada)
    other, fields = challenged(vault, ada)
    other.post("/login/second", fields | {"code": next_code(secret)})
    found = re.search(r'name="once" value="([^"]+)"', other.get("/security").text)
    assert found
    codes = _CODE.findall(other.post("/security/recovery-codes", {"once": found[1]}).text)
    assert (len(codes), set(codes) & set(old)) == (10, set())
    again = other.post("/security/recovery-codes", {"once": found[1]})
    assert again.headers["Location"] == "/security?said=codes-before"
    third, fields = challenged(vault, ada)
    assert third.post("/login/second", fields | {"recovery_code": codes[0]}).status_code == 303


def test_a_second_step_alone_is_worth_nothing(vault: Vault, ada: Visitor, visitor: Visitor) -> None:
    secret, _ = with_app(ada)
    _, fields = challenged(vault, ada)
    visitor.get("/login")
    made_up = fields | {"challenge": "7b1c6b0e-1111-4222-8333-944455556666"}
    assert visitor.post("/login/second", made_up | {"code": next_code(secret)}).status_code == 401
    assert visitor.post("/login/second", fields | {"code": "1", "recovery_code": "x"}).status_code == 422
    for passkey in ("[]", "{", "null", '"x"'):
        assert visitor.post("/login/second", fields | {"passkey": passkey}).status_code == 422


def test_the_second_step_leads_to_no_other_site(vault: Vault, ada: Visitor) -> None:
    secret, _ = with_app(ada)
    other, fields = challenged(vault, ada)
    answer = other.post("/login/second", fields | {"code": next_code(secret), "next": "//evil.example"})
    assert answer.headers["Location"] == "/"


def test_the_first_factor_ends_other_sessions(vault: Vault, ada: Visitor) -> None:
    phone = Visitor(vault.app.test_client(), ada.username)
    phone.log_in()
    with_app(ada)
    assert phone.get("/security").status_code == 303


def test_a_wrong_code_at_enrolment_is_told_and_the_picture_stays(ada: Visitor) -> None:
    page = ada.post("/security/totp").headers["Location"]
    before = ada.get(page).text
    answer = ada.post(page, {"code": "000000", "name": "phone"})
    assert answer.status_code == 422
    assert re.findall(r"<path[^>]*>", answer.text) == re.findall(r"<path[^>]*>", before)
    assert 'value="phone"' in answer.text


def test_an_enrolment_is_its_sessions_own(ada: Visitor, bob: Visitor) -> None:
    page = ada.post("/security/totp").headers["Location"]
    assert bob.get(page).status_code == 404
    assert bob.post(page, {"code": "000000"}).headers["Location"] == "/security?said=enrolment-over"


def test_the_page_of_the_codes_sent_again_shows_none(ada: Visitor) -> None:
    page = ada.post("/security/totp").headers["Location"]
    found = re.search(r'<pre id="secret"[^>]*>([A-Z2-7 ]+)</pre>', ada.get(page).text)
    assert found
    fields = {"code": pyotp.TOTP(found[1].replace(" ", "")).now()}
    assert len(_CODE.findall(ada.post(page, fields).text)) == 10
    assert ada.post(page, fields).headers["Location"] == "/security?said=enrolment-over"


def test_a_factor_is_removed_and_the_password_does_again(vault: Vault, ada: Visitor) -> None:
    secret, _ = with_app(ada)
    other, fields = challenged(vault, ada)
    other.post("/login/second", fields | {"code": next_code(secret)})
    found = re.search(r'action="(/security/factors/[0-9a-f-]+/remove)"', other.get("/security").text)
    assert found
    assert other.post(found[1]).headers["Location"] == "/security?said=factor-removed"
    assert Visitor(vault.app.test_client(), ada.username).log_in().status_code == 303


def test_what_is_grave_waits_for_a_proof(ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    ada.get("/security")
    aged(monkeypatch)
    for path in ("/security/totp", "/security/recovery-codes", "/security/factors/x/remove"):
        assert ada.post(path).headers["Location"] == "/prove?next=/security", path
    answer = ada.post("/security/passkeys/begin", Accept="application/json")
    assert (answer.status_code, answer.get_json()["code"]) == (403, "step_up_required")


def test_a_proof_makes_a_new_session_of_the_old_one(ada: Visitor) -> None:
    before = ada.client.get_cookie(COOKIE, domain="localhost")
    ada.get("/prove?next=/security")
    assert ada.post("/prove", {"password": "wrong", "next": "/security"}).status_code == 401
    answer = ada.post("/prove", {"password": PASSWORD, "next": "/security"})
    after = ada.client.get_cookie(COOKIE, domain="localhost")
    assert answer.headers["Location"] == "/security"
    assert before
    assert after
    assert before.value != after.value
    ada.client.set_cookie(COOKIE, before.value, domain="localhost", secure=True)
    assert ada.get("/security").status_code == 303


def test_a_proof_leads_to_no_other_site(ada: Visitor) -> None:
    ada.get("/prove?next=//evil.example")
    assert ada.post("/prove", {"password": PASSWORD, "next": "//evil.example"}).headers["Location"] == "/"


def test_an_account_with_an_app_steps_up_with_both(vault: Vault, ada: Visitor) -> None:
    secret, _ = with_app(ada)
    answer = ada.get("/security/password")
    assert answer.headers["Location"] == "/prove?next=/security/password", "It was logged in with a password alone."
    ada.get(answer.headers["Location"])
    step = ada.post("/prove", {"password": PASSWORD, "next": "/security/password"})
    found = _CHALLENGE.search(step.text)
    assert found
    fields = {"challenge": found[1], "kinds": "totp", "next": "/security/password", "code": next_code(secret)}
    # The challenge of this session's step-up is no login for anybody.
    stranger = Visitor(vault.app.test_client())
    stranger.get("/login")
    assert stranger.post("/login/second", fields).status_code == 401
    assert ada.post("/prove/second", fields).headers["Location"] == "/security/password"
    assert ada.get("/security/password").status_code == 200


def test_a_sign_in_by_passkey_begins_with_a_challenge_for_nobody(visitor: Visitor) -> None:
    visitor.get("/login")
    answer = visitor.post("/login/passkey", Accept="application/json")
    assert answer.status_code == 200
    assert answer.get_json()["options"]["rpId"] == "localhost"
    assert answer.headers["Cache-Control"] == "no-store"


# -- Activity --


def test_the_activity_goes_on_page_by_page(ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.web.pages.security._PAGE", 1)
    page = ada.get("/security/activity")
    older = re.search(r'href="(/security/activity\?before=[^"]+)"', page.text)
    assert older
    assert ada.get(older[1]).status_code == 200
    assert ada.client.get("/security/activity?before=nonsense", base_url=ORIGIN).status_code == 422


def test_nobody_sees_anothers_activity(vault: Vault, ada: Visitor) -> None:
    ada.post("/environments", {"name": "prod"})
    assert "Environment created" in words(ada.get("/security"))
    assert "Environment created" not in words(newcomer(vault, "bob").get("/security"))


def test_a_vault_that_is_locked_says_so_on_a_page(vault: Vault, ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked() -> None:
        raise VaultLocked()

    monkeypatch.setattr(vault.services.instance, "require_unlocked", locked)
    for path in ("/security", "/login"):
        answer = ada.get(path)
        assert (answer.status_code, "The vault is locked." in words(answer)) == (503, True)
