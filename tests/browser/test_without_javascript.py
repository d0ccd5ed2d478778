"""The main journey with JavaScript off: log in, read, change, save; a token; a second factor."""

from __future__ import annotations

import time

import pyotp
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenTab
from tests.browser.places import Person, Place
from tests.browser.tabs import Tab


@pytest.fixture
def tab(open_tab: OpenTab, place: Place) -> Tab:
    return open_tab(place, java_script_enabled=False)


def test_a_person_logs_in_reads_changes_and_saves(place: Place, tab: Tab, ada: Person) -> None:
    page = tab.page
    tab.log_in(ada)
    page.get_by_label("Name", exact=True).fill("prod")
    page.get_by_role("button", name="Create").click()
    page.get_by_label("Name", exact=True).fill("HOST")
    page.get_by_label("Value", exact=True).fill("db.internal")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("link", name="HOST").click()
    page.get_by_label("Value", exact=True).fill("db.example")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_role("link", name="HOST")).to_be_visible()
    found = place.vault.environments.variables.read(ada.principal, "prod").variables
    assert [(item.name, item.value) for item in found] == [("HOST", "db.example")]


def test_a_token_is_made(place: Place, tab: Tab, ada: Person) -> None:
    tab.log_in(ada, "/tokens/new")
    tab.page.get_by_label("Name", exact=True).fill("backend")
    tab.page.get_by_label("On", exact=True).select_option("path")
    tab.page.get_by_label("Name or path").fill("*")
    tab.page.get_by_role("button", name="Create token").click()
    expect(tab.page.get_by_label("the secret", exact=True)).to_contain_text("srm_t_")
    expect(tab.page.get_by_role("button", name="Copy")).to_have_count(0)


def test_a_second_factor_is_added_and_asked_for(place: Place, tab: Tab, ada: Person, open_tab: OpenTab) -> None:
    tab.log_in(ada, "/security")
    tab.page.get_by_role("button", name="Add an authenticator app").click()
    secret = tab.page.get_by_label("the secret", exact=True).inner_text().replace(" ", "")
    tab.page.get_by_label("The code that the app shows now").fill(pyotp.TOTP(secret).now())
    tab.page.get_by_role("button", name="Add it").click()
    expect(tab.page.get_by_label("Ten recovery codes")).to_be_visible()
    again = open_tab(place, java_script_enabled=False)
    again.go("/login")
    again.page.get_by_label("Username").fill(ada.username)
    again.page.get_by_label("Password").fill(ada.password)
    again.page.get_by_role("button", name="Log in", exact=True).click()
    again.page.get_by_label("Code of your authenticator app").fill(pyotp.TOTP(secret).at(int(time.time()) + 30))
    again.page.get_by_role("button", name="Log in").first.click()
    expect(again.page.get_by_role("heading", name="Environments")).to_be_visible()
