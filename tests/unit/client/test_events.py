"""Server-Sent Events from bytes: what is read, however it is cut, and what is refused."""

from __future__ import annotations

import pytest

from vault.client.events import EVENT_MAX_BYTES, EventReader
from vault.errors import TransportError

SCRIPT = (
    b"\xef\xbb\xbfretry: 3000\r\n\r\n: ping\r\n"
    b'event: hello\rid: c1\rdata: {"a":\rdata:1}\r\r'
    b"data: two\r\ndata: lines\r\n\r\n"
    b"\n: end\n"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(SCRIPT)])
def test_events_are_the_same_however_they_are_cut(size: int) -> None:
    reader = EventReader()
    pieces = [SCRIPT[start : start + size] for start in range(0, len(SCRIPT), size)]
    assert [event for piece in pieces for event in reader.feed(piece)] == ['{"a":\n1}', "two\nlines"]
    assert reader.retry_seconds == 3


@pytest.mark.parametrize(("told", "taken"), [(b"500", 0.5), (b"99999999", 60), (b"9" * 5000, 0), (b"-1", 0), (b"x", 0)])
def test_the_pause_that_a_server_demands_is_bounded(told: bytes, taken: float) -> None:
    reader = EventReader()
    reader.feed(b"retry: " + told + b"\n\n")
    assert reader.retry_seconds == taken


@pytest.mark.parametrize(
    "piece",
    [b"x" * 1000, b":" + b"c" * 1000, b": comment\n" * 100, b"data: x\n" * 100, b"\n" * 1000, b"id: 1\n\n" * 100],
    ids=["a line", "a comment", "comments", "an event", "empty lines", "ids"],
)
def test_what_has_no_end_is_refused_before_it_fills_the_memory(piece: bytes) -> None:
    reader = EventReader()
    for _ in range(EVENT_MAX_BYTES // (2 * len(piece))):
        assert reader.feed(piece) == []
    rest = [piece] * (EVENT_MAX_BYTES // len(piece))
    with pytest.raises(TransportError, match="without an event"):
        _feed_all(reader, rest)


def _feed_all(reader: EventReader, pieces: list[bytes]) -> None:
    for piece in pieces:
        reader.feed(piece)


def test_a_stream_may_go_on_for_ever() -> None:
    reader = EventReader()
    for _ in range(EVENT_MAX_BYTES // 100):
        assert reader.feed(b": ping\n" * 20 + b"data: x\n\n") == ["x"]


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(TransportError, match="UTF-8"):
        EventReader().feed(b"data: \xff\n\n")
