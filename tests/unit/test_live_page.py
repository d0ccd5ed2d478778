"""docs/reference/live.md and the part of docs/reference/limits.md about the feed say what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from vault.server.frames import MESSAGE_BYTES
from vault.services.sync import feed
from vault.services.sync.message import ChangeKind, MessageType
from vault.settings import load
from vault.sync import asking, backlog, endings, messages, websocket

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PAGE = (REFERENCE / "live.md").read_text(encoding="utf-8")
LIMITS = (REFERENCE / "limits.md").read_text(encoding="utf-8")


def rows(page: str, heading: str) -> list[list[str]]:
    """The rows of all tables under a heading, without their first lines."""
    section = re.split(r"^##+ ", page.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line] for line in lines]


def test_every_ending_has_its_close_code_and_its_word() -> None:
    told = {(row[0], row[1].strip("`")) for row in rows(PAGE, "Close codes")[1:] if len(row) == 4 and row[1]}
    untold = (endings.CLIENT_GONE, endings.ANSWERED)
    known = [each for each in vars(endings).values() if isinstance(each, endings.Ending) and each not in untold]
    assert told == {(str(each.close_code), each.code) for each in known}


def test_every_kind_of_change_is_explained_and_no_other() -> None:
    told = {
        word
        for row in rows(PAGE, "change")
        for word in re.findall(r"`(\w+)`", row[0])
        if word not in _MEMBERS | {"kind"}
    }
    assert told == {str(kind) for kind in ChangeKind}


_MEMBERS = {"environment", "revision", "affects"}


def test_the_types_of_messages_are_headings() -> None:
    section = PAGE.partition("\n## Messages\n")[2].partition("\n## ")[0]
    headings = set(re.findall(r"^### (\w+)$", section, re.MULTILINE))
    assert headings == {*map(str, MessageType), "hello", "cursor", "end"}


@pytest.mark.parametrize("heading", ["hello", "cursor"])
def test_a_notice_has_the_members_of_its_example(heading: str) -> None:
    made = {"hello": messages.hello("C"), "cursor": messages.fresh_cursor("C")}[heading]
    shown = json.loads(PAGE.partition(f"### {heading}\n")[2].partition("```json\n")[2].partition("```")[0])
    assert {**json.loads(made.text), "cursor": "…"} == shown


@pytest.mark.parametrize("line", re.findall(r'^\{"type": "subscribe".*\}$', PAGE, re.MULTILINE))
def test_every_example_of_subscribe_is_accepted(line: str) -> None:
    assert isinstance(messages.parsed(line), messages.Subscribe)


def test_the_parameters_are_those_that_a_call_takes() -> None:
    told = {row[0].strip("`") for heading in ("Server-Sent Events", "Long poll") for row in rows(PAGE, heading)[1:]}
    assert told == {"environment", *asking._ONCE}


def test_the_limits_are_those_of_the_code(tmp_path: Path) -> None:
    told = {row[0]: row[1] for row in rows(LIMITS, "Calls that stay open")[1:]}
    defaults = load({"STRONGROOM_DATA_DIR": str(tmp_path)})
    streams = told["WebSockets, event streams and long polls in each worker"]
    for setting in ("max_streams", "max_streams_per_person", "max_streams_per_credential"):
        assert f"`{setting.upper()}`: {getattr(defaults, setting):,}" in streams
    assert told["references of a subscription"] == str(feed.REFERENCES_MOST)
    assert told["a message to a WebSocket, in all its fragments"].startswith(f"{MESSAGE_BYTES // 1024} KiB;")
    assert told["environments of which something waits for one client"].startswith(f"{backlog.BACKLOG_MOST};")
    assert told["changes in the answer to one long poll"] == str(feed.PAGE_MOST)
    assert told["seconds of one long poll"] == str(asking.WAIT_MOST_SECONDS)
    assert told["seconds until a page's ticket must have come"] == f"{websocket.TICKET_SECONDS:.0f}"
