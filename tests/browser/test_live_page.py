"""A page that follows what is changed elsewhere, and what it does when it cannot."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenTab
from tests.browser.places import Person, Place
from tests.browser.streams import HELLO, Answer, Streams, answered, lost, refusal, silence, stream
from tests.browser.tabs import Tab
from tests.browser.test_editor import button, edited, row, say, sent_by, stored
from tests.browser.test_merging import question, type_value
from tests.support.vaults import add_environment, patch

KEPT = "What you typed is kept."
AGAIN = "Changes made elsewhere are shown again."


@pytest.fixture
def prod(place: Place, ada: Person) -> str:
    """The path of Ada's environment."""
    made = add_environment(place.vault, ada.principal, "prod", A="1", B="2", C="3")
    return f"/environments/{made.id}"


@pytest.fixture
def tab(open_tab: OpenTab, place: Place, ada: Person) -> Tab:
    """Ada's tab, before it has loaded anything. Its time stands still until `later`."""
    tab = open_tab(place, ada)
    tab.page.clock.install()
    return tab


def later(tab: Tab, streams: Streams, count: int) -> None:
    """Let time pass until the page has asked for this many streams."""
    for _ in range(200):
        if len(streams.asked) >= count:
            return
        tab.page.clock.run_for(1000)
        tab.page.wait_for_timeout(20)
    raise AssertionError(f"The page has asked for {len(streams.asked)} streams only.")


def live(tab: Tab) -> str:
    """What the page says of its stream."""
    return tab.page.locator("#live").inner_text()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal(429, "too_many_streams"), "Too many pages are open: this one does not show changes made elsewhere"),
        (refusal(403, "forbidden"), "This page does not show changes made elsewhere until you save or reload it."),
    ],
)
def test_without_a_stream_the_page_says_so_and_works(
    tab: Tab, place: Place, ada: Person, prod: str, answer: Answer, words: str
) -> None:
    tab.expects("responded with a status of 4(29|03) .*/changes")
    tab.expects_status(409)
    answered(tab, answer)
    tab.go(prod)
    expect(tab.page.locator("#live")).to_contain_text(words)
    tab.inspect("no-stream")
    patch(place.vault, ada.principal, "prod", B="theirs")
    type_value(tab, "A", "mine")
    button(tab, "Save").click()
    expect(say(tab)).to_contain_text("Saved as revision 3.")
    assert stored(place, ada) == {"A": "mine", "B": "theirs", "C": "3"}


def test_changes_that_were_made_while_the_stream_was_away_are_caught_up(
    tab: Tab, place: Place, ada: Person, prod: str
) -> None:
    tab.expects("request failed: GET .*/changes")
    tab.expects("Failed to load resource: net::ERR_CONNECTION_FAILED")
    streams = answered(tab, stream(), lost, lost, lost, stream(), silence)
    tab.go(prod)
    type_value(tab, "A", "mine")
    patch(place.vault, ada.principal, "prod", B="theirs", C=None)
    later(tab, streams, 2)
    expect(tab.page.locator("#live")).to_contain_text("The server does not answer")
    assert KEPT in live(tab)
    later(tab, streams, 5)
    expect(tab.page.locator("#live")).to_have_text(AGAIN)
    expect(say(tab)).to_contain_text("Changed elsewhere by you")
    expect(say(tab)).to_contain_text("B was changed, C was removed.")
    expect(row(tab, "B")).to_contain_text("changed elsewhere")
    expect(row(tab, "C")).to_have_count(0)
    expect(edited(tab).get_by_label("Value")).to_have_value("mine")
    expect(edited(tab).get_by_label("Value")).to_be_focused()
    button(tab, "Save").click()
    expect(say(tab)).to_have_text("Saved as revision 3.")
    assert stored(place, ada) == {"A": "mine", "B": "theirs"}


@pytest.mark.parametrize("way", ["refused", "ended"])
def test_a_session_that_has_ended_is_told_and_the_tab_goes_on_after_the_next_login(
    tab: Tab, place: Place, ada: Person, prod: str, way: str
) -> None:
    end = 'event: end\ndata: {"type": "end", "code": "not_authenticated", "message": "Over."}\n\n'
    first = refusal(401, "not_authenticated") if way == "refused" else stream(HELLO + end)
    if way == "refused":
        tab.expects("responded with a status of 401 .*/changes")
    streams = answered(tab, first, stream(), silence)
    tab.go(prod)
    type_value(tab, "A", "mine")
    expect(tab.page.locator("#live")).to_contain_text("You are logged out. Log in again in another tab")
    assert KEPT in live(tab)
    # It does not ask again before somebody comes back to the tab.
    tab.page.clock.run_for(600_000)
    tab.page.wait_for_timeout(300)
    assert len(streams.asked) == 1
    tab.page.evaluate("dispatchEvent(new Event('focus'))")
    expect(tab.page.locator("#live")).to_have_text(AGAIN)
    expect(edited(tab).get_by_label("Value")).to_have_value("mine")


def test_a_locked_vault_is_told_and_tried_again(tab: Tab, prod: str) -> None:
    tab.expects("responded with a status of 503 .*/changes")
    streams = answered(tab, refusal(503, "vault_locked"), stream(), silence)
    tab.go(prod)
    expect(tab.page.locator("#live")).to_contain_text("The vault is locked.")
    later(tab, streams, 2)
    expect(tab.page.locator("#live")).to_have_text(AGAIN)


def test_a_server_that_restarts_is_not_told(tab: Tab, prod: str) -> None:
    end = 'retry: 20\n\nevent: end\ndata: {"type": "end", "code": "restarting", "message": "Soon."}\n\n'
    streams = answered(tab, stream(HELLO + end), stream(), silence)
    tab.go(prod)
    tab.page.evaluate(
        "window.words = []; new MutationObserver(() => words.push(document.getElementById('live').textContent))"
        ".observe(document.getElementById('live'), { childList: true })"
    )
    later(tab, streams, 3)
    assert tab.page.evaluate("words.filter(Boolean)") == []


def hide(tab: Tab, is_hidden: bool) -> None:
    """Let the page believe that it is in the background, or in front again."""
    tab.page.evaluate(
        "(is) => { Object.defineProperty(document, 'hidden', { value: is, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        is_hidden,
    )


def test_a_tab_in_the_background_gives_its_stream_back_and_catches_up_on_return(
    tab: Tab, place: Place, ada: Person, prod: str
) -> None:
    given_up: list[str] = []
    tab.page.on("requestfailed", lambda request: given_up.append(request.url) if "/changes" in request.url else None)
    streams = answered(tab, silence, stream(), silence)
    tab.go(prod)
    hide(tab, True)
    tab.page.clock.run_for(60_000)
    hide(tab, False)
    hide(tab, True)
    tab.page.clock.run_for(179_000)
    assert given_up == []
    tab.page.clock.run_for(2_000)
    tab.page.wait_for_timeout(300)
    assert len(given_up) == len(streams.asked) == 1
    # An hour later.
    tab.page.clock.run_for(3_600_000)
    tab.page.wait_for_timeout(300)
    assert len(streams.asked) == 1
    patch(place.vault, ada.principal, "prod", B="theirs")
    hide(tab, False)
    expect(row(tab, "B")).to_contain_text("changed elsewhere")
    assert live(tab) == ""


def test_a_stream_without_a_sign_of_life_is_opened_again(tab: Tab, prod: str) -> None:
    script = """
      const fetched = window.fetch;
      window.fetch = (path, options) => String(path).startsWith("/changes") && !window.opened
        ? (window.opened = true, Promise.resolve(new Response(new ReadableStream({
            start(controller) { options.signal.addEventListener("abort", () => controller.error(new Error())); },
          }))))
        : fetched(path, options);
    """
    tab.page.add_init_script(script)
    streams = answered(tab, silence)
    tab.go(prod)
    tab.page.clock.run_for(69_000)
    assert streams.asked == []
    tab.page.clock.run_for(5_000)
    tab.page.wait_for_timeout(300)
    assert len(streams.asked) == 1


def test_a_change_of_the_same_row_asks_without_a_save(tab: Tab, place: Place, ada: Person, prod: str) -> None:
    streams = answered(tab, stream(), stream(), silence)
    sent = sent_by(tab, "/save")
    tab.go(prod)
    type_value(tab, "A", "mine")
    patch(place.vault, ada.principal, "prod", A="theirs")
    later(tab, streams, 2)
    expect(question(tab, "A")).to_contain_text("value")
    # A screen reader announces it politely, and the person's place in the table stays.
    expect(tab.page.get_by_role("status").filter(has_text="You have changed A too.")).to_have_count(1)
    expect(edited(tab).get_by_label("Value")).to_be_focused()
    expect(edited(tab).get_by_label("Value")).to_have_value("mine")
    question(tab, "A").get_by_role("button", name="Keep mine").click()
    button(tab, "Save").click()
    expect(say(tab)).to_have_text("Saved as revision 3.")
    assert len(sent) == 1
    assert stored(place, ada)["A"] == "mine"


def test_a_row_in_which_somebody_works_stays_and_has_the_focus(tab: Tab, place: Place, ada: Person, prod: str) -> None:
    streams = answered(tab, stream(), stream(), silence)
    tab.go(prod)
    row(tab, "B").get_by_role("link").click()
    value = edited(tab).get_by_label("Description")
    value.focus()
    patch(place.vault, ada.principal, "prod", A={"description": "there"}, B=None, C={"value": "x"})
    later(tab, streams, 2)
    expect(row(tab, "A")).to_contain_text("there")
    expect(question(tab, "B")).to_contain_text("deleted there")
    expect(value).to_be_focused()
    question(tab, "B").get_by_role("button", name="Take theirs").click()
    expect(row(tab, "C").get_by_role("link")).to_be_focused()


def test_an_environment_that_is_deleted_elsewhere_is_told_and_its_return_too(
    tab: Tab, place: Place, ada: Person, prod: str
) -> None:
    tab.expects("responded with a status of 404 .*/news")
    streams = answered(tab, stream(), stream(), stream(), silence)
    tab.go(prod)
    type_value(tab, "A", "mine")
    id_ = prod.rpartition("/")[2]
    environments = place.vault.environments.environments
    place.vault.storage.transaction(lambda unit: environments.delete(unit, ada.principal, id_))
    later(tab, streams, 2)
    expect(say(tab)).to_contain_text("The environment was deleted elsewhere. What you typed stays on this page")
    place.vault.storage.transaction(lambda unit: environments.undelete(unit, ada.principal, id_, None))
    later(tab, streams, 3)
    expect(say(tab)).to_have_text("The environment was restored.")
    button(tab, "Save").click()
    expect(say(tab)).to_have_text("Saved as revision 2.")


def test_a_deletion_speaks_of_nothing_typed_to_somebody_who_typed_nothing(
    tab: Tab, place: Place, ada: Person, prod: str
) -> None:
    tab.expects("responded with a status of 404 .*/news")
    streams = answered(tab, stream(), stream(), silence)
    tab.go(prod)
    environments = place.vault.environments.environments
    place.vault.storage.transaction(lambda unit: environments.delete(unit, ada.principal, prod.rpartition("/")[2]))
    later(tab, streams, 2)
    expect(say(tab)).to_have_text("The environment was deleted elsewhere. To go on, restore it in another tab.")


def test_anothers_login_in_the_same_browser_brings_nothing_into_the_page(tab: Tab, place: Place, ada: Person) -> None:
    bob = place.newcomer("bob")
    for person in (ada, bob):
        patch(place.vault, person.principal, None, NAME=f"of {person.username}")
    tab.expects("responded with a status of 403 .*/globals/news")
    streams = answered(tab, stream(), stream(), silence)
    tab.go("/globals")
    type_value(tab, "NAME", "what ada typed")
    tab.become(bob)
    patch(place.vault, bob.principal, None, NAME="changed", SECRET_OF_BOB="1")
    later(tab, streams, 2)
    expect(tab.page.locator("#live")).to_contain_text("belongs to another page or an older session")
    expect(row(tab, "SECRET_OF_BOB")).to_have_count(0)
    expect(edited(tab).get_by_label("Value")).to_have_value("what ada typed")


def test_a_button_keeps_the_focus_while_its_row_is_merged(tab: Tab, place: Place, ada: Person, prod: str) -> None:
    streams = answered(tab, stream(), stream(), silence)
    tab.go(prod)
    button(tab, "Copy A").focus()
    patch(place.vault, ada.principal, "prod", A={"description": "there"}, B=None)
    later(tab, streams, 2)
    expect(row(tab, "A")).to_contain_text("there")
    expect(row(tab, "B")).to_have_count(0)
    expect(button(tab, "Copy A")).to_be_focused()
