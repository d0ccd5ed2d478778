"""How a page reads the stream of changes, and what it does when the stream ends: the rules of `live.js`."""

from __future__ import annotations

import pytest

from tests.unit.web.conftest import Call

MODULE = "live.js"


@pytest.mark.parametrize(
    ("text", "events", "rest"),
    [
        ("", [], ""),
        ("event: hel", [], "event: hel"),
        ('event: hello\ndata: {"a":1}\n', [], 'event: hello\ndata: {"a":1}\n'),
        ('event: hello\nid: x\ndata: {"a":1}\n\n', [("hello", '{"a":1}', 0)], ""),
        ("event: a\r\ndata: 1\r\n\r\nevent: b\r\n", [("a", "1", 0)], "event: b\n"),
        ("data: 1\ndata: 2\n\n", [("message", "1\n2", 0)], ""),
        ("retry: 3000\n\n:\n\n: ping\n\n", [("message", "", 3000), ("message", "", 0), ("message", "", 0)], ""),
        ("data:1\n\ndata:  2\n\n", [("message", "1", 0), ("message", " 2", 0)], ""),
    ],
)
def test_events_are_read_as_far_as_they_are_whole(
    call: Call, text: str, events: list[tuple[str, str, int]], rest: str
) -> None:
    found = call("parsed", text)
    assert [(event["type"], event["data"], event["retry"]) for event in found["events"]] == events
    assert found["rest"] == rest


@pytest.mark.parametrize(
    ("status", "code", "words", "is_tried_again"),
    [
        (401, "", "You are logged out.", False),
        (0, "not_authenticated", "You are logged out.", False),
        (404, "not_found", "", True),
        (429, "too_many_streams", "Too many pages are open", True),
        (429, "too_many_requests", "The server does not answer", True),
        (503, "vault_locked", "The vault is locked.", True),
        (503, "unavailable", "The server does not answer", True),
        (502, "", "The server does not answer", True),
        (0, "restarting", "The server does not answer", True),
        (0, "slow", "The server does not answer", True),
        (0, "constructor", "The server does not answer", True),
        (403, "forbidden", "This page does not show changes made elsewhere", False),
        (422, "invalid_input", "This page does not show changes made elsewhere", False),
    ],
)
def test_each_trouble_has_its_words(call: Call, status: int, code: str, words: str, is_tried_again: bool) -> None:
    told, again = call("troubleOf", status, code)
    assert told.startswith(words)
    assert bool(told) is bool(words)
    assert again is is_tried_again


@pytest.mark.parametrize(("failures", "most"), [(0, 1_000), (1, 2_000), (5, 32_000), (6, 60_000), (10_000, 60_000)])
@pytest.mark.parametrize("least", [0, 3_000])
def test_the_wait_grows_and_is_spread_and_bounded(call: Call, failures: int, most: int, least: int) -> None:
    assert call("waitOf", failures, least, 0) == least + most / 2
    assert call("waitOf", failures, least, 1) == least + most
