"""The security page, in a browser: password, sessions, second factors, passkeys by a virtual authenticator."""

from __future__ import annotations

import re
import time

import pyotp
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenTab
from tests.browser.places import Person, Place
from tests.browser.tabs import Tab

NEW_PASSWORD = "harbour velvet thirty moss"


def with_app(tab: Tab) -> tuple[str, list[str]]:
    """Add an authenticator app; its secret, and the recovery codes."""
    tab.go("/security")
    tab.page.get_by_role("button", name="Add an authenticator app").click()
    secret = tab.page.get_by_label("the secret", exact=True).inner_text().replace(" ", "")
    tab.page.get_by_label("The code that the app shows now").fill(pyotp.TOTP(secret).now())
    tab.page.get_by_role("button", name="Add it").click()
    codes = tab.page.get_by_label("Ten recovery codes").inner_text().split()
    assert len(codes) == 10
    return secret, codes


def with_authenticator(page: Page) -> None:
    """Give the tab a device that makes passkeys, and whose person is there."""
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
    }
    device.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def begin_login(tab: Tab, person: Person) -> None:
    """The first step of a login."""
    tab.go("/login?next=/security")
    tab.page.get_by_label("Username").fill(person.username)
    tab.page.get_by_label("Password").fill(person.password)
    tab.page.get_by_role("button", name="Log in", exact=True).click()


def test_a_password_is_changed_and_other_sessions_end(place: Place, open_tab: OpenTab) -> None:
    ada = place.newcomer()
    tab, elsewhere = open_tab(place, ada), open_tab(place, ada)
    tab.go("/security")
    tab.page.get_by_role("link", name="Change").click()
    tab.inspect("password")
    tab.page.get_by_label("Current password").fill(ada.password)
    tab.page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
    tab.page.get_by_label("Repeat the new password").fill(NEW_PASSWORD)
    tab.page.get_by_role("button", name="Change it").click()
    expect(tab.page.get_by_role("status")).to_contain_text("Your password was changed.")
    elsewhere.go("/environments")
    expect(elsewhere.page.get_by_role("heading", name="Log in")).to_be_visible()


def test_a_session_ended_in_one_browser_is_gone_at_the_next_click_of_the_other(place: Place, open_tab: OpenTab) -> None:
    ada = place.newcomer()
    tab, phone = open_tab(place, ada), open_tab(place)
    phone.log_in(ada)
    tab.go("/security")
    tab.inspect("security")
    tab.page.get_by_role("button", name=re.compile("^End Chrome on")).click()
    expect(tab.page.get_by_role("status")).to_have_text("The session has ended.")
    phone.page.get_by_role("link", name="Tokens").click()
    expect(phone.page.get_by_role("heading", name="Log in")).to_be_visible()


def test_an_authenticator_app_is_added_and_asked_for(place: Place, open_tab: OpenTab) -> None:
    ada = place.newcomer()
    tab = open_tab(place, ada)
    tab.go("/security")
    tab.page.get_by_role("button", name="Add an authenticator app").click()
    tab.inspect("totp")
    secret, codes = with_app(tab)
    tab.inspect("recovery-codes")
    tab.page.get_by_role("link", name="I have kept them").click()
    expect(tab.page.get_by_text("10 left")).to_be_visible()
    tab.inspect("security-two-factor")
    other = open_tab(place)
    other.expects_status(401)
    begin_login(other, ada)
    other.inspect("second")
    other.page.get_by_label("Code of your authenticator app").fill("000000")
    other.page.keyboard.press("Enter")
    expect(other.page.get_by_role("alert")).to_contain_text("The second factor was not accepted.")
    # The code that confirmed the app is spent; the next one is of the next half minute, which is taken too.
    other.page.get_by_label("Code of your authenticator app").fill(pyotp.TOTP(secret).at(int(time.time()) + 30))
    other.page.keyboard.press("Enter")
    expect(other.page.get_by_role("heading", name="Security")).to_be_visible()
    third = open_tab(place)
    begin_login(third, ada)
    third.page.get_by_text("Use a recovery code").click()
    third.page.get_by_label("Recovery code").fill(codes[0].upper())
    third.page.keyboard.press("Enter")
    expect(third.page.get_by_role("status")).to_contain_text("a recovery code")
    expect(third.page.get_by_text("9 left")).to_be_visible()


def test_a_passkey_is_a_second_factor_and_a_sign_in(place: Place, open_tab: OpenTab) -> None:
    ada = place.newcomer()
    tab = open_tab(place, ada)
    with_authenticator(tab.page)
    tab.go("/security")
    tab.page.get_by_label("Name of the passkey").fill("laptop")
    tab.page.get_by_role("button", name="Add a passkey").click()
    expect(tab.page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    tab.page.get_by_role("link", name="I have kept them").click()
    expect(tab.page.get_by_text("laptop").first).to_be_visible()
    tab.page.get_by_role("button", name="Log out").click()
    begin_login(tab, ada)
    tab.inspect("second-passkey")
    tab.page.get_by_role("button", name="Use a passkey").click()
    expect(tab.page.get_by_role("heading", name="Security")).to_be_visible()
    tab.page.get_by_role("button", name="Log out").click()
    tab.page.get_by_role("button", name="Sign in with a passkey").click()
    expect(tab.page.get_by_role("heading", name="Environments")).to_be_visible()


def test_something_grave_asks_again_and_comes_back(place: Place, open_tab: OpenTab) -> None:
    ada = place.newcomer()
    tab = open_tab(place, ada)
    place.age(ada)
    tab.go("/security")
    tab.page.get_by_role("button", name="Add an authenticator app").click()
    expect(tab.page.get_by_role("heading", name="Confirm your identity")).to_be_visible()
    tab.inspect("prove")
    tab.page.get_by_label("Your password").fill(ada.password)
    tab.page.get_by_role("button", name="Go on").click()
    expect(tab.page).to_have_url(place.url + "/security")
    with_app(tab)


def test_an_account_is_deleted_by_who_types_its_name(place: Place, open_tab: OpenTab) -> None:
    ada = place.newcomer()
    tab = open_tab(place, ada)
    tab.expects_status(422)
    tab.go("/security")
    tab.page.get_by_role("link", name="Delete my account…").click()
    tab.inspect("delete-account")
    for name in ("somebody", ada.username):
        tab.page.get_by_label("Type your username").fill(name)
        tab.page.get_by_label("Your password").fill(ada.password)
        tab.page.get_by_role("button", name="Delete everything").click()
    expect(tab.page.get_by_role("status")).to_have_text("Your account was deleted, with everything in it.")


def test_the_activity_tells_who_did_what(place: Place, open_tab: OpenTab) -> None:
    ada = place.newcomer()
    tab = open_tab(place, ada)
    tab.go("/environments")
    tab.page.get_by_label("Name", exact=True).fill("prod")
    tab.page.get_by_role("button", name="Create").click()
    tab.go("/security/activity")
    expect(tab.page.get_by_role("row", name="Environment created")).to_contain_text("this session")
    tab.inspect("activity")
