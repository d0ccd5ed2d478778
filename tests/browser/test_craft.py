"""By keyboard alone, with a focus that is seen; and how much a page weighs."""

from __future__ import annotations

import pytest
from playwright.sync_api import Response, expect

from tests.browser.conftest import OpenTab
from tests.browser.places import Place
from tests.browser.tabs import Tab
from tests.support.vaults import add_environment, add_token, grant
from vault.model.principal import Role

PAGE_BYTES_MOST = 60 * 1024
_STEPS_MOST = 60

_FOCUSED = """
() => {
  const focused = document.activeElement;
  const style = getComputedStyle(focused);
  return [focused === document.body, style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    focused.outerHTML.slice(0, 120)];
}
"""


def test_a_person_gets_everywhere_by_keyboard_alone(place: Place, tab: Tab) -> None:
    ada = place.newcomer()
    keys = tab.page.keyboard
    tab.go("/login?next=/environments")
    expect(tab.page.get_by_label("Username")).to_be_focused()
    keys.type(ada.username)
    keys.press("Tab")
    keys.type(ada.password)
    keys.press("Enter")
    expect(tab.page.get_by_role("heading", name="Environments")).to_be_visible()
    keys.press("Tab")
    expect(tab.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    keys.press("Enter")
    expect(tab.page.get_by_role("main")).to_be_focused()
    for _ in range(_STEPS_MOST):
        keys.press("Tab")
        if tab.page.evaluate("document.activeElement.id") == "name":
            break
    keys.type("prod")
    keys.press("Enter")
    expect(tab.page.get_by_role("heading", name="prod")).to_be_visible()


@pytest.mark.parametrize("path", ["/environments", "/tokens/new", "/security", "/operator/people", "/operator/audit"])
def test_the_focus_is_seen_wherever_it_goes(place: Place, open_tab: OpenTab, path: str) -> None:
    tab = open_tab(place, place.newcomer("root", Role.OPERATOR))
    tab.go(path)
    for _ in range(_STEPS_MOST):
        tab.page.keyboard.press("Tab")
        is_over, is_seen, what = tab.page.evaluate(_FOCUSED)
        if is_over:
            break
        assert is_seen, what


def test_no_page_weighs_more_than_it_may(place: Place, open_tab: OpenTab) -> None:
    root = place.newcomer("root", Role.OPERATOR)
    environment = add_environment(place.vault, root.principal, "prod", **{f"NAME_{n}": "x" * 30 for n in range(20)})
    token = add_token(place.vault, root.principal, grant("read", environment="prod"))
    paths = ["/environments", f"/environments/{environment.id}", "/tokens", f"/tokens/{token.id}", "/tokens/new"]
    for path in [*paths, "/security", "/security/activity", "/operator/keys", "/operator/audit"]:
        tab = open_tab(place, root)
        assert weight(tab, path) <= PAGE_BYTES_MOST, path
        tab.context.close()


def weight(tab: Tab, path: str) -> int:
    """All bytes that a page takes from the network, for a browser that has nothing of it yet: the style sheet and the
    scripts come compressed.
    """
    loaded: list[Response] = []
    tab.page.on("response", lambda response: loaded.append(response))
    tab.go(path)
    # The stream of changes has no end.
    whole = [each for each in loaded if not each.headers.get("content-type", "").startswith("text/event-stream")]
    return sum(response.request.sizes()["responseBodySize"] for response in whole)
