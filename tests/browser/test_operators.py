"""Operators' pages, in a browser. They change a vault for everybody, so this one is theirs alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenTab
from tests.browser.places import Authority, Place, open_place
from tests.support.vaults import add_environment
from vault.model.principal import Role


@pytest.fixture
def own_place(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Place]:
    """A server on SQLite for one test."""
    folder = tmp_path_factory.mktemp("own-place")
    with open_place(folder, authority, f"sqlite:///{folder / 'data' / 'strongroom.db'}") as place:
        yield place


def test_an_operator_rotates_the_master_key_and_locks_the_vault(own_place: Place, open_tab: OpenTab) -> None:
    tab = open_tab(own_place, own_place.newcomer("root", Role.OPERATOR))
    tab.go("/operator")
    tab.inspect("operator-keys")
    tab.page.get_by_role("button", name="Rotate the master key").click()
    expect(tab.page.get_by_role("status")).to_contain_text("A new version is active.")
    tab.inspect("operator-keys-rotated")
    tab.page.get_by_role("button", name="Rewrap for a few seconds").click()
    expect(tab.page.get_by_role("status")).to_have_text("The active version now wraps every user key.")
    tab.page.get_by_role("button", name="Retire version 1").click()
    expect(tab.page.get_by_role("row", name="Version 1")).to_contain_text("disabled")
    tab.page.get_by_role("button", name="Enable again version 1").click()
    expect(tab.page.get_by_role("row", name="Version 1")).to_contain_text("retiring")
    tab.page.get_by_role("link", name="Lock").click()
    tab.inspect("operator-lock")
    tab.page.get_by_label("Type lock").fill("lock")
    tab.page.get_by_role("button", name="Lock it now").click()
    expect(tab.page.get_by_role("alert")).to_contain_text("The vault is locked.")
    tab.inspect("operator-locked")


def test_an_operator_disables_a_person_who_is_gone_at_the_next_click(place: Place, open_tab: OpenTab) -> None:
    ada = place.newcomer()
    hers = open_tab(place, ada)
    hers.go("/environments")
    tab = open_tab(place, place.newcomer("root", Role.OPERATOR))
    tab.go("/operator/people")
    tab.page.get_by_label("Find by the whole name").fill(ada.username)
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**/operator/people?*")
    tab.inspect("operator-people")
    tab.page.get_by_role("link", name=ada.username).click()
    tab.inspect("operator-person")
    tab.page.get_by_role("button", name="Disable").click()
    expect(tab.page.get_by_text("disabled", exact=True)).to_be_visible()
    hers.page.get_by_role("link", name="Tokens").click()
    expect(hers.page.get_by_role("heading", name="Log in")).to_be_visible()


def test_an_operator_erases_a_person_whose_name_they_type(place: Place, open_tab: OpenTab) -> None:
    ada = place.newcomer()
    add_environment(place.vault, ada.principal, "prod", A="1")
    tab = open_tab(place, place.newcomer("root", Role.OPERATOR))
    tab.expects_status(422)
    tab.go(f"/operator/people/{ada.principal.user_id}")
    for typed in ("somebody", ada.username):
        if not tab.page.get_by_label("Type the username").is_visible():
            tab.page.get_by_text("Erase…").click()
        tab.page.get_by_label("Type the username").fill(typed)
        tab.page.get_by_role("button", name=f"Erase {ada.username}").click()
    expect(tab.page.get_by_role("heading", name=f"{ada.username} is erased")).to_be_visible()
    tab.inspect("operator-erased")


def test_an_operator_finds_what_a_person_did(place: Place, open_tab: OpenTab) -> None:
    ada = place.newcomer()
    tab = open_tab(place, place.newcomer("root", Role.OPERATOR))
    tab.go("/operator/audit")
    tab.page.get_by_label("Person").fill(ada.username)
    tab.page.get_by_label("Action").fill("user.add")
    tab.page.get_by_role("button", name="Search").click()
    expect(tab.page.get_by_role("row", name="Account created")).to_contain_text(ada.username)
    tab.inspect("operator-audit")


def test_nobody_else_comes_in(place: Place, open_tab: OpenTab) -> None:
    tab = open_tab(place, place.newcomer())
    tab.expects_status(403)
    for path in ("/operator", "/operator/keys", "/operator/people", "/operator/audit", "/operator/lock"):
        assert tab.go(path).status == 403
    expect(tab.page.get_by_role("link", name="Operator")).not_to_be_visible()
    tab.inspect("error")
