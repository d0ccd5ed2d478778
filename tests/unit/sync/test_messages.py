"""The messages of the feed, as JSON and as events, and what a client may say."""

from __future__ import annotations

import json

import pytest

from vault.errors import InvalidInput
from vault.model.environment import GLOBALS
from vault.server.frames import close_frame
from vault.services.sync.message import ChangeKind, Message, MessageType
from vault.sync import endings
from vault.sync.messages import (
    Subscribe,
    Ticket,
    end_event,
    frame_of,
    fresh_cursor,
    hello,
    newest_only,
    page_body,
    parsed,
    retry_event,
)

CHANGE = Message(7, 1, MessageType.CHANGE, ChangeKind.WRITE, "id-1", "prod", 3, ("prod", None))
GONE = Message(8, 1, MessageType.GONE, None, "id-1", "prod", None, None)


def test_a_change_says_what_to_look_at_again_and_no_more() -> None:
    assert json.loads(frame_of(CHANGE, "C").text) == {
        "type": "change",
        "cursor": "C",
        "kind": "write",
        "environment": {"id": "id-1", "name": "prod"},
        "revision": 3,
        "affects": ["prod", None],
    }


def test_what_is_gone_has_neither_kind_nor_revision() -> None:
    assert json.loads(frame_of(GONE, "C").text) == {
        "type": "gone",
        "cursor": "C",
        "environment": {"id": "id-1", "name": "prod"},
    }


def test_a_frame_is_encoded_once_for_all_clients() -> None:
    frame = frame_of(CHANGE, "C")
    assert frame.text is frame.text
    assert frame.event is frame.event


def test_an_event_has_its_type_its_cursor_and_one_line_of_data() -> None:
    odd = Message(7, 1, MessageType.CHANGE, ChangeKind.WRITE, "id-1", "a\nb\u2028c", 3, None)
    lines = frame_of(odd, "C").event.decode().split("\n")
    assert lines[:2] == ["event: change", "id: C"]
    assert lines[2].startswith("data: {")
    assert json.loads(lines[2].removeprefix("data: "))["environment"]["name"] == "a\nb\u2028c"
    assert lines[3:] == ["", ""]


def test_messages_about_the_stream_itself() -> None:
    assert json.loads(hello("C").text) == {"type": "hello", "cursor": "C", "ping_seconds": 25}
    assert json.loads(fresh_cursor("C").text) == {"type": "cursor", "cursor": "C"}
    assert hello("C").event.startswith(b"event: hello\nid: C\ndata: ")
    assert retry_event(3000) == b"retry: 3000\n\n"
    ended = end_event(endings.SLOW).decode()
    assert ended.startswith("event: end\ndata: ")
    assert json.loads(ended.split("data: ")[1])["code"] == "slow"


def test_an_answer_to_a_poll_has_one_cursor_and_the_newest_of_each_environment() -> None:
    frames = newest_only([frame_of(CHANGE, ""), frame_of(GONE, "")])
    answer = json.loads(page_body("C", [frame.body for frame in frames], more=True))
    assert answer == {
        "cursor": "C",
        "changes": [{"type": "gone", "environment": {"id": "id-1", "name": "prod"}}],
        "more": True,
    }


def test_every_ending_fits_into_a_close_frame_and_has_its_own_codes() -> None:
    found = [each for each in vars(endings).values() if isinstance(each, endings.Ending)]
    assert len(found) > 10
    for ending in found:
        assert close_frame(ending.close_code, ending.sentence).endswith(ending.sentence.encode())
    assert len({ending.code for ending in found}) == len({ending.close_code for ending in found}) == len(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"type":"subscribe","environments":["prod"]}', Subscribe(("prod",))),
        ('{"type":"subscribe","environments":["b","a","b"],"after":"C"}', Subscribe(("b", "a"), "C")),
        ('{"type":"subscribe","all":true,"later":1}', Subscribe(None)),
        ('{"type":"subscribe","globals":true}', Subscribe((GLOBALS,))),
        ('{"type":"subscribe","environments":["prod"],"globals":true}', Subscribe(("prod", GLOBALS))),
        ('{"type":"ticket","ticket":"srm_x"}', Ticket("srm_x")),
    ],
)
def test_what_a_client_may_say(text: str, expected: Subscribe | Ticket) -> None:
    assert parsed(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        '{"type":"other"}',
        '{"type":"subscribe"}',
        '{"type":"subscribe","environments":[]}',
        '{"type":"subscribe","environments":"prod"}',
        '{"type":"subscribe","environments":[""]}',
        '{"type":"subscribe","environments":[1]}',
        '{"type":"subscribe","environments":["a"],"all":true}',
        '{"type":"subscribe","globals":true,"all":true}',
        '{"type":"subscribe","all":"yes"}',
        '{"type":"subscribe","all":true,"after":7}',
        '{"type":"subscribe","all":true,"all":true}',
        '{"type":"ticket"}',
        '{"type":"ticket","ticket":["srm_x"]}',
        '{"type":"subscribe","all":true,"after":"\\ud800"}',
        '{"type":"subscribe","environments":' + json.dumps([f"e{number}" for number in range(101)]) + "}",
        "[" * 2000,
        '{"type":"subscribe","all":true,"x":"\ud800"}',
    ],
)
def test_what_a_client_may_not_say(text: str) -> None:
    with pytest.raises(InvalidInput):
        parsed(text)


@pytest.mark.parametrize(
    "text",
    ["nonsense", "{", '{"a":1,"a":2}', "NaN", "1" * 5000, "[" * 2000, "[" + "1," * 200, "\ud800"],
)
def test_a_malformed_message_is_called_a_message(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^The message ") as refused:
        parsed(text)
    assert "body" not in refused.value.message


def test_the_environments_of_a_message_are_called_as_there() -> None:
    for text in ('{"type":"subscribe"}', '{"type":"subscribe","environments":[1]}'):
        with pytest.raises(InvalidInput) as refused:
            parsed(text)
        assert refused.value.path == "environments"


def test_secrets_are_in_no_repr() -> None:
    assert "srm_x" not in repr(Ticket("srm_x"))
    assert "C-1" not in repr(Subscribe(None, "C-1"))
