"""A browser's own EventSource and WebSocket follow the live feed, over TLS and under the pages' content policy."""

from __future__ import annotations

from typing import Any

from tests.browser.conftest import OpenTab
from tests.browser.places import Place
from tests.support.vaults import add_environment, patch

_EVENT_SOURCE = """
(id) => new Promise((resolve) => {
  const source = new EventSource(`/changes?environment=${id}`);
  source.addEventListener("hello", (event) => resolve(event.lastEventId));
  window.told = new Promise((tell) => source.addEventListener("change", (event) => {
    source.close();
    tell(JSON.parse(event.data));
  }));
})
"""

_WEB_SOCKET = """
(id) => new Promise(async (resolve) => {
  const token = document.querySelector("input[name=csrf_token]").value;
  const headers = { "X-CSRF-Token": token, "Content-Type": "application/json" };
  const answer = await fetch("/sync/ticket", { method: "POST", headers, body: "{}" });
  const { ticket } = await answer.json();
  const socket = new WebSocket(`wss://${location.host}/api/v1/sync`);
  socket.onopen = () => socket.send(JSON.stringify({ type: "ticket", ticket }));
  window.told = new Promise((tell) => socket.addEventListener("message", (event) => {
    const message = JSON.parse(event.data);
    if (message.type === "hello") socket.send(JSON.stringify({ type: "subscribe", environments: [id] }));
    if (message.type === "cursor") resolve(message.cursor);
    if (message.type === "change") {
      socket.close(1000);
      tell(message);
    }
  }));
})
"""


def told(open_tab: OpenTab, place: Place, script: str) -> dict[str, Any]:
    """Follow with a script, change a value, and return the message."""
    ada = place.newcomer()
    environment = add_environment(place.vault, ada.principal, "prod", A="1")
    tab = open_tab(place, ada)
    tab.page.goto(f"{place.url}/environments/{environment.id}")
    assert tab.page.evaluate(script, environment.id)
    revision = patch(place.vault, ada.principal, environment.id, A="2")
    message: dict[str, Any] = tab.page.evaluate("() => window.told")
    assert message["environment"] == {"id": environment.id, "name": "prod"}
    assert message["revision"] == revision
    return message


def test_a_page_s_event_source_is_told_of_a_change(open_tab: OpenTab, place: Place) -> None:
    assert told(open_tab, place, _EVENT_SOURCE)["kind"] == "write"


def test_a_page_s_websocket_is_told_of_a_change_after_its_ticket(open_tab: OpenTab, place: Place) -> None:
    assert told(open_tab, place, _WEB_SOCKET)["kind"] == "write"
