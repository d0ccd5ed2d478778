"""Streams of changes that a test answers itself, one after the other, in place of the server's."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Route

from tests.browser.tabs import Tab

HELLO = 'retry: 10\n\nevent: hello\ndata: {"type": "hello", "cursor": "x", "ping_seconds": 25}\n\n'
"""A stream that begins, and ends at once."""

Answer = Callable[[Route], None]
"""Answers one request for the stream."""


def stream(text: str = HELLO) -> Answer:
    """A stream with these events, which ends after them."""
    return lambda route: route.fulfill(status=200, content_type="text/event-stream", body=text)


def refusal(status: int, code: str) -> Answer:
    """An answer that is no stream."""
    body = json.dumps({"code": code, "message": "No.", "status": status})
    return lambda route: route.fulfill(status=status, content_type="application/problem+json", body=body)


def lost(route: Route) -> None:
    """No answer at all: the network is away."""
    route.abort("connectionfailed")


def silence(route: Route) -> None:
    """No answer yet: the request waits until the page gives it up."""


@dataclass
class Streams:
    """The requests for the stream that a tab has sent, in order."""

    asked: list[str]


def answered(tab: Tab, *answers: Answer) -> Streams:
    """Answer the tab's requests for the stream: the last answer is given again and again."""
    streams, left = Streams([]), list(answers)

    def answer(route: Route) -> None:
        streams.asked.append(route.request.url)
        (left.pop(0) if len(left) > 1 else left[0])(route)

    tab.page.route("**/changes?*", answer)
    return streams
