"""Who gets to operators' pages, and what they refuse."""

from __future__ import annotations

import re
from typing import cast

import pytest

from tests.api.conftest import Vault
from tests.support.vaults import HOST, write
from tests.web.conftest import ORIGIN, Visitor, newcomer, words
from vault.model.action import Action
from vault.model.principal import Role
from vault.services.audit import record

PAGES = ("/operator", "/operator/keys", "/operator/people", "/operator/audit", "/operator/lock")


@pytest.fixture
def root(vault: Vault) -> Visitor:
    """An operator, logged in."""
    visitor = newcomer(vault, "root")
    write(
        vault.services,
        lambda unit: vault.services.people.accounts.set_role(unit, HOST, visitor.username, Role.OPERATOR),
    )
    visitor.log_in()
    return visitor


def user_id(vault: Vault, visitor: Visitor) -> str:
    return next(str(row.id) for row in vault.services.people.accounts.list(HOST) if row.name == visitor.username)


@pytest.mark.parametrize("path", PAGES)
def test_an_ordinary_person_is_refused(ada: Visitor, path: str) -> None:
    assert ada.get(path).status_code == 403


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    "environ",
    [
        {"REMOTE_ADDR": "192.0.2.9"},
        {"strongroom.forwarded_by_stranger": True},
        {"strongroom.forwarded_by_proxy": True},
        {"REMOTE_ADDR": ""},
    ],
)
def test_an_operator_is_refused_from_elsewhere(root: Visitor, path: str, environ: dict[str, object]) -> None:
    assert root.client.get(path, base_url=ORIGIN, environ_overrides=environ).status_code == 403


@pytest.mark.parametrize("path", PAGES)
def test_an_operator_proves_again_who_they_are(root: Visitor, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr("vault.model.principal.STEP_UP_SECONDS", -1)
    assert root.get(path).headers["Location"] == f"/prove?next={path}"


def test_a_form_that_has_to_wait_for_a_proof_leads_back_to_its_page(
    root: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.model.principal.STEP_UP_SECONDS", -1)
    assert root.post("/operator/keys/1/retire").headers["Location"] == "/prove?next=/operator/keys"
    assert root.post("/operator/people/x/state").headers["Location"] == "/prove?next=/operator/people/x"


def test_nobody_changes_their_own_account(vault: Vault, root: Visitor) -> None:
    own = user_id(vault, root)
    for verb, fields in (("state", {"state": "disabled"}), ("role", {"role": "user"}), ("reset-factors", {})):
        assert root.post(f"/operator/people/{own}/{verb}", fields).status_code == 409
    assert root.get("/operator/people").status_code == 200


def test_a_role_is_one_that_there_is_and_a_person_too(vault: Vault, root: Visitor, ada: Visitor) -> None:
    assert root.post(f"/operator/people/{user_id(vault, ada)}/role", {"role": "root"}).status_code == 422
    named = {"role": "operator", "confirm": ada.username.upper()}
    assert root.post("/operator/people/nobody/role", named).status_code == 404
    assert root.post(f"/operator/people/{user_id(vault, ada)}/role", named).status_code == 303
    assert ada.get("/environments").status_code == 303


@pytest.mark.parametrize("typed", [{}, {"confirm": ""}, {"confirm": "root"}, {"confirm": "adam"}])
def test_an_operator_is_made_by_typing_the_name(
    vault: Vault, root: Visitor, ada: Visitor, typed: dict[str, str]
) -> None:
    answer = root.post(f"/operator/people/{user_id(vault, ada)}/role", {"role": "operator", **typed})
    assert answer.status_code == 422
    assert "type the username again" in words(answer)
    assert f"Type {ada.username} to confirm" in words(answer)
    assert ada.get("/environments").status_code == 200


@pytest.mark.parametrize("typed", [{}, {"confirm": ""}, {"confirm": "yes"}, {"confirm": "unlock"}])
def test_the_vault_is_locked_by_typing_a_word(root: Visitor, ada: Visitor, typed: dict[str, str]) -> None:
    answer = root.post("/operator/lock", typed)
    assert answer.status_code == 422
    assert "type lock" in words(answer)
    assert ada.get("/environments").status_code == 200


def test_events_have_their_times_in_utc_as_the_form_has(root: Visitor) -> None:
    page = root.get("/operator/audit").get_data(as_text=True)
    shown = re.findall(r'<time datetime="([^"]+)" data-utc>([^<]+)</time>', page)
    assert shown
    assert [machine.replace("T", " ") for machine, _ in shown] == [f"{text}Z" for _, text in shown]
    assert [text for _, text in shown] == sorted((text for _, text in shown), reverse=True)
    assert "sorted by their time" in page


def test_a_key_in_use_is_not_retired(root: Visitor) -> None:
    answer = root.post("/operator/keys/1/retire")
    assert answer.status_code == 409
    assert "active" in words(answer)


@pytest.mark.parametrize("query", ["since=yesterday", "until=2026-99-99", "before=nonsense", "person=%00"])
def test_a_search_that_cannot_be_is_told(root: Visitor, query: str) -> None:
    assert root.get(f"/operator/audit?{query}").status_code == 422


def test_the_audit_is_searched_by_person_action_and_time(root: Visitor, ada: Visitor) -> None:
    found = words(root.get(f"/operator/audit?person={ada.username}&action=user.add"))
    assert "Account created" in found
    assert "Nothing was found." in words(root.get(f"/operator/audit?person={ada.username}&until=2001-01-01T00:00"))
    assert "Nothing was found." in words(root.get("/operator/audit?person=nobody-here"))


@pytest.mark.parametrize("name", ["base.add", "refused.twice", "values"])
def test_an_event_of_a_newer_release_is_found_and_shown_by_its_name(vault: Vault, root: Visitor, name: str) -> None:
    write(vault.services, lambda unit: record(unit, HOST, cast(Action, name)))
    page = root.get(f"/operator/audit?action={name}")
    assert page.status_code == 200
    assert f'<th scope="row">{name}' in page.text


def test_the_search_offers_each_action_with_its_words(root: Visitor) -> None:
    page = root.get("/operator/audit").text
    for action in Action:
        assert f'<option value="{action}">{action.words}</option>' in page


def test_the_audit_goes_on_page_by_page(root: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.web.pages.operator_audit._PAGE", 2)
    page = root.get("/operator/audit")
    assert 'name="before"' in page.text
    cursor = page.text.split('name="before" value="')[1].split('"')[0]
    assert root.get(f"/operator/audit?before={cursor}").status_code == 200
