"""Two browsers at one environment, with the server's own stream: what one saves appears in the other."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import OpenTab
from tests.browser.places import Person, Place
from tests.browser.tabs import Tab
from tests.browser.test_editor import blank, button, edited, row, say, sent_by, stored
from tests.browser.test_live_page import AGAIN, KEPT
from tests.browser.test_merging import names, question, type_value
from tests.support.patience import HANG_SECONDS
from tests.support.vaults import add_environment, add_token, as_token, grant, patch

LONG_MS = HANG_SECONDS * 1000
"""How long to wait for what another browser has done: the machine may be busy."""


@pytest.fixture
def one(open_tab: OpenTab, place: Place, ada: Person, prod: str) -> Tab:
    """Ada's first browser, at the environment."""
    return following(open_tab(place, ada), prod)


@pytest.fixture
def two(open_tab: OpenTab, place: Place, ada: Person, prod: str) -> Tab:
    """Her second browser, with a session of its own."""
    return following(open_tab(place, ada), prod)


def following(tab: Tab, path: str) -> Tab:
    """Open the page, and wait until it follows the environment."""
    with tab.page.expect_response(lambda answer: answer.url.endswith("/news")):
        tab.go(path)
    return tab


def soon(locator: Locator, text: str) -> None:
    """Wait until this page says what another browser has done."""
    expect(locator).to_contain_text(text, timeout=LONG_MS)


def test_what_one_saves_appears_in_the_other_beside_what_is_typed_there(
    one: Tab, two: Tab, place: Place, ada: Person
) -> None:
    type_value(one, "A", "of one")
    type_value(two, "B", "of two")
    button(two, "Delete C").click()
    blank(two).get_by_label("Name").fill("E")
    button(two, "Save").click()
    soon(say(one), "Changed elsewhere by you in")
    soon(say(one), "just now: B was changed, E was added, C was removed.")
    expect(edited(one).get_by_label("Value")).to_have_value("of one")
    expect(edited(one).get_by_label("Value")).to_be_focused()
    expect(one.page.locator("#state")).to_contain_text("Revision 2 · 4 variables · changed elsewhere by you in")
    # No conflict: the page saves on top of the revision that it has merged.
    button(one, "Save").click()
    expect(say(one)).to_have_text("Saved as revision 3.")
    soon(say(two), "A was changed.")
    assert names(one) == names(two) == ["A", "B", "D", "E"]
    assert stored(place, ada) == {"A": "of one", "B": "of two", "D": "4", "E": ""}


@pytest.mark.parametrize(("choice", "value"), [("Keep mine", "of one"), ("Take theirs", "of two")])
def test_the_same_row_in_both_asks_and_each_answer_counts(
    one: Tab, two: Tab, place: Place, ada: Person, choice: str, value: str
) -> None:
    type_value(one, "A", "of one")
    type_value(two, "A", "of two")
    button(two, "Save").click()
    soon(question(one, "A"), "value")
    expect(edited(one).get_by_label("Value")).to_have_value("of one")
    expect(edited(one).get_by_label("Value")).to_be_focused()
    question(one, "A").get_by_role("button", name="Show both").click()
    expect(question(one, "A").locator("dd").last).to_contain_text("of two")
    question(one, "A").get_by_role("button", name=choice).click()
    if choice == "Keep mine":
        button(one, "Save").click()
        expect(say(one)).to_have_text("Saved as revision 3.")
        soon(say(two), "A was changed.")
    expect(one.page.locator("#count")).to_have_text("")
    assert stored(place, ada)["A"] == value


def test_a_service_is_named_by_its_token(one: Tab, place: Place, ada: Person) -> None:
    made = add_token(place.vault, ada.principal, grant("read,update", path="prod"), name="deployer")
    patch(place.vault, as_token(place.vault, made.secret), "prod", A="x")
    soon(say(one), "Changed elsewhere by token deployer just now: A was changed.")


def test_the_pages_own_save_is_no_news(one: Tab) -> None:
    asked = sent_by(one, "/news")
    type_value(one, "A", "mine")
    button(one, "Save").click()
    expect(say(one)).to_have_text("Saved as revision 2.")
    one.page.wait_for_timeout(1500)
    expect(say(one)).to_have_text("Saved as revision 2.")
    assert asked == []


def test_a_deletion_and_a_return_of_the_environment_are_told(one: Tab, place: Place, ada: Person, prod: str) -> None:
    one.expects("responded with a status of 404 .*/news")
    environments, id_ = place.vault.environments.environments, prod.rpartition("/")[2]
    type_value(one, "A", "mine")
    place.vault.storage.transaction(lambda unit: environments.delete(unit, ada.principal, id_))
    soon(say(one), "The environment was deleted elsewhere. What you typed stays on this page")
    expect(edited(one).get_by_label("Value")).to_have_value("mine")
    place.vault.storage.transaction(lambda unit: environments.undelete(unit, ada.principal, id_, "back"))
    soon(say(one), "The environment was renamed elsewhere from prod to back.")
    button(one, "Save").click()
    expect(say(one)).to_have_text("Saved as revision 2.")
    found = place.vault.environments.variables.read(ada.principal, "back").variables
    assert found[0].value == "mine"


def test_a_session_that_ends_elsewhere_is_told_and_nothing_typed_gets_lost(one: Tab, place: Place, ada: Person) -> None:
    type_value(one, "A", "mine")
    sessions = place.vault.people.sessions
    place.vault.storage.transaction(lambda unit: sessions.revoke_all(unit, ada.principal.user_id))
    soon(one.page.locator("#live"), "You are logged out.")
    expect(one.page.locator("#live")).to_contain_text(KEPT)
    patch(place.vault, ada.principal, "prod", B="theirs")
    one.expects("responded with a status of 403 .*/news")
    one.become(ada)
    one.page.evaluate("dispatchEvent(new Event('focus'))")
    soon(one.page.locator("#live"), AGAIN)
    soon(row(one, "B"), "changed elsewhere")
    expect(edited(one).get_by_label("Value")).to_have_value("mine")
    button(one, "Save").click()
    expect(say(one)).to_have_text("Saved as revision 3.")
    assert stored(place, ada) == {"A": "mine", "B": "theirs", "C": "3", "D": "4"}


def test_the_globals_are_followed_too(open_tab: OpenTab, place: Place, ada: Person) -> None:
    tab = following(open_tab(place, ada), "/globals")
    patch(place.vault, ada.principal, None, FIRST="1")
    soon(row(tab, "FIRST"), "added elsewhere")
    expect(tab.page.locator("#nothing")).to_have_count(0)


def test_what_references_resolved_to_is_dropped_when_a_layer_beneath_changes(
    open_tab: OpenTab, place: Place, ada: Person
) -> None:
    patch(place.vault, ada.principal, None, WHO="world")
    made = add_environment(place.vault, ada.principal, "greeting", HELLO="hello {{WHO}}")
    tab = following(open_tab(place, ada), f"/environments/{made.id}")
    button(tab, "Resolve references").click()
    expect(row(tab, "HELLO")).to_contain_text("hello world")
    patch(place.vault, ada.principal, None, WHO="moon")
    soon(say(tab), "What is beneath this environment was changed elsewhere. Resolve the references again.")
    expect(row(tab, "HELLO")).not_to_contain_text("world")


def test_many_tabs_of_one_browser_follow_at_once(open_tab: OpenTab, place: Place, ada: Person, prod: str) -> None:
    tab = open_tab(place, ada)
    tab.go("/environments")
    pages = [tab.context.new_page() for _ in range(8)]
    for page in pages:
        with page.expect_response(lambda answer: answer.url.endswith("/news")):
            page.goto(place.url + prod)
    patch(place.vault, ada.principal, "prod", A="theirs")
    for page in pages:
        expect(page.locator("#state")).to_contain_text("Revision 2", timeout=LONG_MS)
