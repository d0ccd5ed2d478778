"""Logging in and out, in a browser."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, expect

from tests.browser.chromium import launched
from tests.browser.conftest import OpenTab
from tests.browser.places import Authority, Place
from tests.browser.tabs import COOKIE, Tab
from tests.support.vaults import write


def test_a_person_logs_in_and_out(place: Place, tab: Tab) -> None:
    ada = place.newcomer()
    tab.go("/environments")
    tab.inspect("login")
    tab.log_in(ada)
    expect(tab.page.get_by_text("There is no environment yet.")).to_be_visible()
    tab.inspect("environments-empty")
    tab.page.get_by_role("button", name="Log out").click()
    expect(tab.page.get_by_role("status")).to_have_text("You are logged out.")
    assert not [cookie for cookie in tab.context.cookies() if cookie.get("name") == COOKIE]


def test_the_same_on_sqlite(small_place: Place, open_tab: OpenTab) -> None:
    tab = open_tab(small_place)
    tab.log_in(small_place.newcomer())
    expect(tab.page.get_by_role("heading", name="Environments")).to_be_visible()


def test_a_wrong_password_is_told_beside_the_field(place: Place, tab: Tab) -> None:
    tab.expects_status(401)
    ada = place.newcomer()
    tab.go("/login")
    tab.page.get_by_label("Username").fill(ada.username)
    tab.page.get_by_label("Password").fill("wrong")
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_role("alert")).to_have_text("The username or the password is wrong.")
    expect(tab.page.get_by_label("Password")).to_be_focused()
    tab.inspect("login-wrong")


def test_the_back_button_shows_nothing_after_a_logout(place: Place, open_tab: OpenTab) -> None:
    tab = open_tab(place, place.newcomer())
    tab.go("/environments")
    tab.page.get_by_role("button", name="Log out").click()
    expect(tab.page.get_by_role("heading", name="Log in")).to_be_visible()
    tab.page.go_back()
    expect(tab.page).to_have_url(re.compile(r"/login\?next="))


def test_nor_does_it_in_a_browser_that_keeps_pages_whole(
    place: Place, browser: Browser, authority: Authority, open_tab: OpenTab
) -> None:
    ada = place.newcomer()
    # Playwright turns this cache off, which people's browsers have.
    keeping = {"ignore_default_args": ["--disable-back-forward-cache"]}
    with launched(browser.browser_type, authority.key_hash, **keeping) as other:
        tab = open_tab(place, ada, browser=other)
        tab.go("/environments")
        tab.go("/tokens")
        write(place.vault, lambda unit: place.vault.people.sessions.revoke_all(unit, ada.principal.user_id))
        tab.page.evaluate("history.back()")
        expect(tab.page).to_have_url(re.compile(r"/login\?next="))
        tab.context.close()


def test_a_tab_hears_all_that_a_page_does_wrong(tab: Tab) -> None:
    for complaint in ("CSP report: img-src", "violates the following", "uncaught: .*noSuchName", "request failed"):
        tab.expects(complaint)
    tab.go("/login")
    tab.page.evaluate("document.body.append(Object.assign(new Image(), { src: 'https://elsewhere.example/x' }))")
    tab.page.evaluate("setTimeout(() => noSuchName)")
    expect(tab.page.get_by_role("heading")).to_be_visible()
    tab.page.wait_for_timeout(200)
