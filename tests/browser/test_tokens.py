"""Service tokens, in a browser."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import OpenTab
from tests.browser.places import Place
from tests.support.vaults import add_environment, as_token, values

_SECRET = re.compile(r"srm_t_[0-9A-Za-z]{61}")


def test_a_token_is_made_shown_once_and_works(place: Place, open_tab: OpenTab) -> None:
    ada = place.newcomer()
    add_environment(place.vault, ada.principal, "shop/prod", A="1")
    tab = open_tab(place, ada, permissions=["clipboard-read", "clipboard-write"])
    page = tab.page
    tab.go("/tokens")
    tab.inspect("tokens-empty")
    page.get_by_role("link", name="New token").click()
    page.get_by_label("Name", exact=True).fill("shop-backend")
    page.get_by_label("Name or path").fill("shop/prod")
    page.get_by_role("button", name="One more grant").click()
    page.get_by_label("On", exact=True).nth(1).select_option("globals")
    tab.inspect("token-new")
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_role("heading", name="The secret")).to_be_visible()
    secret = page.get_by_label("the secret", exact=True).inner_text()
    assert _SECRET.fullmatch(secret)
    assert values(place.vault, as_token(place.vault, secret, "127.0.0.1"), "shop/prod") == {"A": "1"}
    page.get_by_role("button", name="Copy the secret").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    tab.inspect("token-made")
    page.get_by_role("link", name="I have it").click()
    expect(page.get_by_role("row", name="shop-backend")).to_contain_text("globals")
    tab.inspect("tokens")
    assert not _SECRET.search(page.content())


def test_a_reload_of_the_answer_makes_no_second_token_and_shows_no_secret_again(
    place: Place, open_tab: OpenTab
) -> None:
    ada = place.newcomer()
    add_environment(place.vault, ada.principal, "prod")
    tab = open_tab(place, ada)
    tab.go("/tokens/new")
    tab.page.get_by_label("Name", exact=True).fill("backend")
    tab.page.get_by_label("Name or path").fill("prod")
    tab.page.get_by_role("button", name="Create token").click()
    expect(tab.page.get_by_role("heading", name="The secret")).to_be_visible()
    tab.page.reload()
    expect(tab.page.get_by_role("status")).to_contain_text("This form was already sent")
    assert not _SECRET.search(tab.page.content())
    assert len(place.vault.tokens.tokens.list(ada.principal, None, 10)) == 1


def test_a_fault_of_the_form_stands_beside_its_field_and_nothing_is_lost(place: Place, open_tab: OpenTab) -> None:
    tab = open_tab(place, place.newcomer())
    tab.expects_status(422)
    tab.go("/tokens/new")
    tab.page.get_by_label("Name", exact=True).fill("backend")
    tab.page.get_by_label("Name or path").fill("nowhere")
    tab.page.get_by_label("history").check()
    tab.page.get_by_label("Only from these networks").fill("10.0.0.0/8")
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_label("Name or path")).to_have_accessible_description(
        "There is no environment with this name."
    )
    expect(tab.page.get_by_label("Name or path")).to_be_focused()
    expect(tab.page.get_by_label("Name", exact=True)).to_have_value("backend")
    expect(tab.page.get_by_label("history")).to_be_checked()
    expect(tab.page.get_by_label("Only from these networks")).to_have_value("10.0.0.0/8")
    tab.inspect("token-new-fault")


def test_a_token_gets_a_new_secret_and_is_revoked(place: Place, open_tab: OpenTab) -> None:
    ada = place.newcomer()
    add_environment(place.vault, ada.principal, "prod", A="1")
    tab = open_tab(place, ada)
    tab.go("/tokens/new")
    tab.page.get_by_label("Name", exact=True).fill("backend")
    tab.page.get_by_label("Name or path").fill("prod")
    tab.page.get_by_role("button", name="Create token").click()
    first = tab.page.get_by_label("the secret", exact=True).inner_text()
    tab.page.get_by_role("link", name="I have it").click()
    tab.page.get_by_role("link", name="backend").click()
    tab.inspect("token")
    tab.page.get_by_role("button", name="Rotate").click()
    second = tab.page.get_by_label("the secret", exact=True).inner_text()
    assert second != first
    tab.page.get_by_role("link", name="I have it").click()
    tab.page.get_by_role("link", name="backend").click()
    tab.page.get_by_text("Revoke…").click()
    tab.page.get_by_role("button", name="Revoke backend").click()
    expect(tab.page.get_by_role("status")).to_have_text("The token was revoked, with all tokens that it made.")
    expect(tab.page.get_by_text("There is no token here.")).to_be_visible()
