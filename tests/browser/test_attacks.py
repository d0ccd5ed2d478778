"""What a stranger's page, a stolen token and hostile text get in a real browser: nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.attacker import Attacker, attacking
from tests.browser.conftest import OpenTab
from tests.browser.places import Authority, Person, Place
from tests.browser.tabs import COOKIE, Tab
from tests.support.vaults import add_environment, add_token, grant, put
from vault.model.environment import Variable
from vault.model.principal import Role

HOSTILE = "</script></textarea>\"'><img src=/x onerror=pwned=1><svg onload=pwned=1><script>pwned=1</script>{{7*7}}"


@pytest.fixture
def attacker(authority: Authority) -> Iterator[Attacker]:
    """Another site."""
    with attacking(authority) as server:
        yield server


@pytest.fixture
def tab(open_tab: OpenTab, place: Place, ada: Person) -> Tab:
    """Her browser, logged in."""
    return open_tab(place, ada)


def environments(place: Place, person: Person) -> list[str]:
    return [item.name for item in place.vault.environments.environments.list(person.principal, limit=100)]


def form(url: str, **fields: str) -> str:
    inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
    return f'<form method="post" action="{url}">{inputs}</form><script>document.forms[0].submit()</script>'


def csrf_token(tab: Tab) -> str:
    found = tab.page.locator('input[name="csrf_token"]').first.get_attribute("value")
    assert found
    return found


def test_a_form_of_another_site_makes_nothing(place: Place, tab: Tab, ada: Person, attacker: Attacker) -> None:
    tab.go("/environments")
    attacker.page = form(f"{place.url}/environments", name="stolen", csrf_token=csrf_token(tab))
    tab.page.goto(attacker.other_site)
    # Without the cookie it is a stranger's.
    expect(tab.page.get_by_role("heading", name="Log in")).to_be_visible()
    assert environments(place, ada) == []


def test_nor_does_one_of_another_origin_to_which_cookies_come_along(
    place: Place, tab: Tab, ada: Person, attacker: Attacker
) -> None:
    tab.expects_status(403)
    tab.go("/environments")
    # Even with the token of the very session.
    attacker.page = form(f"{place.url}/environments", name="stolen", csrf_token=csrf_token(tab))
    tab.page.goto(attacker.same_site)
    expect(tab.page.get_by_role("alert")).to_contain_text("This form belongs to another page")
    assert environments(place, ada) == []


def test_a_script_of_another_origin_reads_nothing_and_changes_nothing(
    place: Place, tab: Tab, ada: Person, attacker: Attacker
) -> None:
    tab.expects("blocked by CORS policy")
    tab.expects("request failed")
    tab.expects("Failed to load resource")
    tab.go("/environments")
    token = csrf_token(tab)
    tab.page.goto(attacker.same_site)
    asked = """async ([url, token, mode]) => {
      const body = new URLSearchParams({ name: "stolen", csrf_token: token });
      try {
        const answer = await fetch(url, { method: "POST", credentials: "include", mode, body });
        return `${answer.type} ${await answer.text()}`;
      } catch (error) { return "refused"; }
    }"""
    assert tab.page.evaluate(asked, [f"{place.url}/environments", token, "cors"]) == "refused"
    assert tab.page.evaluate(asked, [f"{place.url}/environments", token, "no-cors"]) in ("opaque ", "refused")
    assert environments(place, ada) == []


def test_a_page_is_shown_in_no_frame(place: Place, tab: Tab, attacker: Attacker) -> None:
    tab.expects("frame-ancestors|Refused to frame|refused to connect|Framing")
    tab.expects("request failed: .*BLOCKED_BY_RESPONSE")
    attacker.page = f'<iframe src="{place.url}/environments"></iframe>'
    for origin in (attacker.same_site, attacker.other_site):
        tab.page.goto(origin)
        frame = tab.page.frames[1]
        frame.wait_for_load_state()
        assert "Environments" not in frame.content()
        assert "Log in" not in frame.content()


def test_a_window_that_a_stranger_opens_is_out_of_their_reach(place: Place, tab: Tab, attacker: Attacker) -> None:
    tab.page.goto(attacker.same_site)
    with tab.context.expect_page() as opened:
        tab.page.evaluate("url => { window.prize = open(url); }", f"{place.url}/environments")
    opened.value.wait_for_load_state()
    expect(opened.value.get_by_role("heading", name="Environments")).to_be_visible()
    assert opened.value.evaluate("window.opener === null")
    assert tab.page.evaluate("window.prize.closed"), "COOP has cut the two apart."


def test_the_token_of_another_session_is_worth_nothing(place: Place, open_tab: OpenTab, tab: Tab, ada: Person) -> None:
    tab.expects_status(403)
    thief = open_tab(place, place.newcomer("mallory"))
    thief.go("/environments")
    stolen = csrf_token(thief)
    tab.go("/environments")
    tab.page.evaluate(
        "token => document.querySelectorAll('input[name=csrf_token]').forEach(input => { input.value = token; })",
        stolen,
    )
    tab.page.get_by_label("Name", exact=True).fill("stolen")
    tab.page.get_by_role("button", name="Create").click()
    expect(tab.page.get_by_role("alert")).to_contain_text("an older session")
    assert environments(place, ada) == []


@pytest.mark.parametrize("wanted", ["//{}", "https://{}", "/\\{}", "/%09/{}", "javascript:location='//{}'"])
def test_a_login_leads_to_no_other_site(
    place: Place, open_tab: OpenTab, ada: Person, attacker: Attacker, wanted: str
) -> None:
    tab = open_tab(place)
    tab.go("/login?next=" + wanted.format(attacker.other_site.removeprefix("https://")))
    tab.page.get_by_label("Username").fill(ada.username)
    tab.page.get_by_label("Password").fill(ada.password)
    tab.page.get_by_role("button", name="Log in", exact=True).click()
    expect(tab.page.get_by_role("button", name="Log out")).to_be_visible()
    assert tab.page.url.startswith(f"{place.url}/")


def test_a_session_that_was_planted_before_the_login_is_not_the_one_after_it(
    place: Place, open_tab: OpenTab, ada: Person
) -> None:
    mallory = place.newcomer("mallory")
    planted = place.cookie(mallory)
    tab = open_tab(place)
    tab.log_in(ada)
    after = next(cookie for cookie in tab.context.cookies() if cookie.get("name") == COOKIE)
    assert after.get("value") != planted
    # A page of a neighbour cannot plant one: the name's prefix asks for what it cannot set.
    tab.page.evaluate("document.cookie = '__Host-strongroom=planted; path=/'")
    tab.page.reload()
    expect(tab.page.get_by_text(ada.username)).to_be_visible()
    assert tab.page.evaluate("document.cookie") == ""


def test_hostile_text_stays_text_on_every_page(place: Place, open_tab: OpenTab) -> None:
    root = place.newcomer("root", Role.OPERATOR)
    environment = add_environment(place.vault, root.principal, HOSTILE.replace("/", "|"), A="1")
    put(place.vault, root.principal, environment.id, Variable(HOSTILE, HOSTILE, description=HOSTILE))
    token = add_token(place.vault, root.principal, grant("read", environment=environment.id), name=HOSTILE)
    tab = open_tab(place, user_agent=HOSTILE)
    tab.log_in(root)
    home = f"/environments/{environment.id}"
    paths = [
        "/environments",
        home,
        f"{home}/history",
        f"{home}/settings",
        f"{home}/export",
        f"{home}/import",
        "/tokens",
    ]
    paths += [f"/tokens/{token.id}", "/tokens/new", "/security", "/security/activity", "/operator/audit"]
    shown = 0
    for path in paths:
        assert tab.go(path).status == 200, path
        expect(tab.page.get_by_role("main")).to_be_visible()
        shown += "onerror=pwned=1" in tab.page.locator("main").inner_text()
        assert tab.page.evaluate("typeof pwned") == "undefined", path
        assert tab.page.locator("img[src='/x'], svg[onload]").count() == 0, path
    assert shown >= 6, "The text is there to be seen."
    tab.go(home)
    tab.page.get_by_role("button", name=re.compile("^Show <")).click()
    expect(tab.page.locator("#rows .value")).to_contain_text("pwned=1")
    assert tab.page.evaluate("typeof pwned") == "undefined"


def test_hostile_text_of_a_file_stays_text(place: Place, tab: Tab, ada: Person) -> None:
    environment = add_environment(place.vault, ada.principal, "prod", A="1")
    tab.go(f"/environments/{environment.id}/import")
    tab.page.locator("textarea[name=text]").fill(f"A='{HOSTILE.replace(chr(39), '')}'\nB=2\n")
    tab.page.locator("form", has=tab.page.locator("textarea[name=text]")).locator("button.primary").first.click()
    expect(tab.page.get_by_role("main")).to_contain_text("B")
    assert tab.page.evaluate("typeof pwned") == "undefined"


def test_a_password_manager_knows_the_fields(place: Place, tab: Tab, open_tab: OpenTab) -> None:
    def fields(of: Tab) -> dict[str, str]:
        pairs = "inputs => Object.fromEntries(inputs.map(input => [input.name, input.autocomplete]))"
        found: dict[str, str] = of.page.locator("input[autocomplete]").evaluate_all(pairs)
        return found

    stranger = open_tab(place)
    stranger.go("/login")
    assert fields(stranger) == {"username": "username", "password": "current-password"}
    tab.go("/security/password")
    expected = {"username": "username", "current": "current-password", "new": "new-password", "again": "new-password"}
    assert fields(tab) == expected
    tab.go("/prove?next=/security")
    assert fields(tab) == {"username": "username", "password": "current-password"}
