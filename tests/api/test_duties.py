"""What a person must do before any other call: change a password that somebody else has set, add a second factor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyotp
import pytest

from tests.api.conftest import Caller, Vault, open_for_tests
from tests.api.test_operator_keys import again
from tests.support.vaults import HOST, PASSWORD, know_password, log_in, write
from tests.web.conftest import Visitor
from vault.model.principal import Role

NEW = "velvet anchor sixteen plums"
SET_BY_OTHERS = "copper lantern forty geese"


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    """A vault that the test can change the settings of."""
    made = open_for_tests(tmp_path, f"sqlite:///{tmp_path / 'strongroom.db'}")
    made.services.keys.upgrading.open(HOST)
    yield made
    made.services.close()


def demand(vault: Vault, of: str) -> None:
    """Have the vault demand a second factor."""
    sessions = vault.services.people.sessions
    sessions._rules = replace(sessions._rules, second_factor_of=of)


def operator(vault: Vault, name: str = "root") -> Caller:
    """An operator as `strongroom user add --operator` makes one, logged in."""
    accounts = vault.services.people.accounts
    user = write(vault.services, lambda unit: accounts.add(unit, HOST, name, PASSWORD, Role.OPERATOR))
    session = log_in(vault.services, name, address="127.0.0.1")
    return Caller(vault.app, session.secret, user.id, name, session.session.id)


CLOSED = (
    ("GET", "/environments", None), ("POST", "/environments", {"name": "prod"}), ("GET", "/operator/users", None),
    ("POST", "/tokens", {"name": "t", "grants": [{"path": "*", "permissions": ["read"]}]}), ("GET", "/nowhere", None),
    ("DELETE", "/me", {"password": PASSWORD}),
)  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body"), CLOSED)
def test_an_operator_can_do_nothing_with_an_initial_password(
    vault: Vault, method: str, path: str, body: dict[str, object] | None
) -> None:
    root = operator(vault)
    answer = root(method, path, body)
    assert (answer.status, answer.code) == (403, "password_change_required")
    assert root("GET", "/me").status == 200
    answer = root.at("GET", "/v1/secret/data/prod")
    assert (answer.status, b"Somebody else has set your password" in answer.body) == (403, True)


def test_the_new_password_ends_the_duty_and_is_another_one(vault: Vault) -> None:
    root = operator(vault)
    same = root("PUT", "/me/password", {"current_password": PASSWORD, "new_password": PASSWORD})
    assert (same.status, "must differ" in same.json["detail"]) == (422, True)
    assert root("GET", "/operator/users").code == "password_change_required"
    changed = root.ok("PUT", "/me/password", {"current_password": PASSWORD, "new_password": NEW})
    assert vault.anyone(changed["session"]["secret"])("GET", "/operator/users").status == 200


def test_somebody_who_becomes_an_operator_has_the_duty_too(vault: Vault) -> None:
    accounts = vault.services.people.accounts
    ada = vault.person("ada")
    write(vault.services, lambda unit: accounts.set_role(unit, HOST, ada.username, Role.OPERATOR))
    assert again(vault, ada)("GET", "/operator/users").status == 200
    write(vault.services, lambda unit: accounts.set_password(unit, HOST, ada.username, SET_BY_OTHERS))
    assert again(vault, ada)("GET", "/operator/users").code == "password_change_required"
    write(vault.services, lambda unit: accounts.add(unit, HOST, "bob", PASSWORD))
    bob = Caller(vault.app, log_in(vault.services, "bob").secret)
    assert bob("GET", "/environments").status == 200
    write(vault.services, lambda unit: accounts.set_role(unit, HOST, "bob", Role.OPERATOR))
    bob = Caller(vault.app, log_in(vault.services, "bob").secret)
    assert bob("GET", "/environments").code == "password_change_required"


def test_the_pages_lead_to_the_form_for_a_new_password(vault: Vault) -> None:
    operator(vault)
    visitor = Visitor(vault.app.test_client(), "root")
    assert visitor.log_in().status_code == 303
    for path in ("/environments", "/operator/people", "/tokens/new"):
        assert visitor.get(path).headers["Location"] == "/security/password?said=password-due"
    visitor.get("/security/password")
    visitor.post("/security/password", {"current": PASSWORD, "new": NEW, "again": NEW})
    assert visitor.get("/environments").status_code == 200


@pytest.mark.parametrize(
    ("demanded", "of_people", "of_operators"), [("none", 200, 200), ("operators", 200, 403), ("all", 403, 403)]
)
def test_a_second_factor_is_demanded_of_whom_the_setting_names(
    vault: Vault, demanded: str, of_people: int, of_operators: int
) -> None:
    root = operator(vault)
    know_password(vault.services, "root")
    demand(vault, demanded)
    people = [vault.person("ada"), again(vault, root)]
    assert [person("GET", "/environments").status for person in people] == [of_people, of_operators]


def test_adding_a_factor_ends_the_duty_and_tokens_work_all_the_time(vault: Vault) -> None:
    ada = vault.person("ada")
    made = ada.make("prod", A="1")
    token = ada.token({"environment_id": made["id"], "permissions": ["read"]})
    secret = token.secret
    demand(vault, "all")
    for method, path in (("GET", "/environments"), ("GET", f"/environments/{made['id']}/values"), ("GET", "/tokens")):
        assert ada(method, path).code == "factor_setup_required"
    assert vault.anyone(secret).ok("GET", f"/environments/{made['id']}/values")["values"] == {"A": "1"}
    visitor = Visitor(vault.app.test_client(), ada.username)
    visitor.log_in()
    assert visitor.get("/environments").headers["Location"] == "/security?said=factor-due"
    assert "demands a second factor" in visitor.get("/security?said=factor-due").text
    begun = ada.ok("POST", "/me/factors/totp")
    code = pyotp.TOTP(begun["secret"]).now()
    ada.ok("POST", f"/me/factors/totp/{begun['id']}", {"code": code, "name": "phone"})
    assert ada("GET", "/environments").status == 200


def test_an_operator_ends_all_sessions_of_a_person(vault: Vault) -> None:
    root = operator(vault)
    know_password(vault.services, "root")
    ada, bob = vault.person("ada"), vault.person("bob")
    others = [again(vault, ada), again(vault, ada)]
    made = ada.make("prod", A="1")
    token = ada.token({"environment_id": made["id"], "permissions": ["read"]})
    ended = root.ok("DELETE", f"/operator/users/{ada.username}/sessions")
    assert (ended["sessions"], ended["tokens_ended"]) == (3, False)
    # The names of tokens are the person's own.
    (told,) = ended["tokens"]
    assert (told["id"], told["session_id"], "name" in told) == (token.id, ada.session_id, False)
    assert [who("GET", "/me").status for who in (ada, *others, bob, root)] == [401, 401, 401, 200, 200]
    assert token("GET", f"/environments/{made['id']}/values").status == 200
    ended = root.ok("DELETE", f"/operator/users/{ada.id}/sessions?end_tokens=true")
    assert (ended["sessions"], ended["tokens"], ended["tokens_ended"]) == (0, [told], True)
    assert token("GET", f"/environments/{made['id']}/values").status == 401
    assert root("DELETE", "/operator/users/nobody/sessions").status == 404
    assert bob("DELETE", f"/operator/users/{root.id}/sessions").code == "forbidden"


def test_the_operators_page_ends_all_sessions_of_a_person(vault: Vault) -> None:
    root, ada = operator(vault), vault.person("ada")
    know_password(vault.services, "root")
    visitor = Visitor(vault.app.test_client(), "root")
    visitor.log_in()
    token = ada.token({"path": "*", "permissions": ["read"]})
    assert "End all sessions and the tokens" in visitor.get(f"/operator/people/{ada.id}").text
    assert visitor.post(f"/operator/people/{ada.id}/end-sessions").status_code == 303
    assert ada("GET", "/me").status == 401
    assert token("GET", "/tokens").status == 200
    visitor.post(f"/operator/people/{ada.id}/end-sessions", {"tokens": "end"})
    assert token("GET", "/tokens").status == 401
    assert visitor.post(f"/operator/people/{root.id}/end-sessions").status_code == 409


@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\u3000"])
def test_the_same_password_in_another_spelling_is_no_new_one(vault: Vault, space: str) -> None:
    root = operator(vault)
    for current, new in ((PASSWORD, PASSWORD.replace(" ", space)), (PASSWORD.replace(" ", space), PASSWORD)):
        same = root("PUT", "/me/password", {"current_password": current, "new_password": new})
        assert (same.status, "must differ" in same.json.get("detail", "")) == (422, True)
    assert root("GET", "/operator/users").code == "password_change_required"
