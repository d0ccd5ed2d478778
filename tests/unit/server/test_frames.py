"""Frames of a WebSocket, without a connection."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.integration.server.socket_client import BINARY, CLOSE, PING, TEXT, masked
from vault.server.frames import CloseCode, Frame, FrameError, Frames, Opcode, close_code, close_frame, frame


def read(*pieces: bytes) -> list[Frame]:
    """The frames in these pieces, without fragments that complete nothing."""
    frames, found = Frames(), []
    for piece in pieces:
        frames.feed(piece)
        while (arrived := frames.next()) is not None:
            if arrived.opcode is not Opcode.CONTINUATION:
                found.append(arrived)
    return found


@given(st.text(max_size=300), st.integers(1, 50), st.integers(1, 40))
def test_a_text_arrives_however_it_is_cut_into_fragments_and_pieces(text: str, fragment: int, piece: int) -> None:
    data = text.encode()
    parts = [data[start : start + fragment] for start in range(0, len(data), fragment)] or [b""]
    last = len(parts) - 1
    sent = b"".join(
        masked(TEXT if number == 0 else 0, part, first=0x80 if number == last else 0)
        for number, part in enumerate(parts)
    )
    assert read(*(sent[start : start + piece] for start in range(0, len(sent), piece))) == [Frame(Opcode.TEXT, data)]


@given(st.binary(max_size=300))
def test_no_bytes_make_anything_but_frames_and_frame_errors(data: bytes) -> None:
    frames = Frames()
    frames.feed(data)
    with contextlib.suppress(FrameError):
        while frames.next() is not None:
            pass
    frames.skip_to_close()
    found = frames.next()
    # A header that has not arrived whole has at most nine bytes.
    assert frames.waiting_bytes < 10 if found is None else found.opcode is Opcode.CLOSE


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\xc1\x80", CloseCode.PROTOCOL_ERROR),
        (b"\x83\x80", CloseCode.PROTOCOL_ERROR),
        (b"\x81\x00", CloseCode.PROTOCOL_ERROR),
        (b"\x89\xfe\x00\x7e", CloseCode.PROTOCOL_ERROR),
        (b"\x82\xff" + (5000).to_bytes(8), CloseCode.PROTOCOL_ERROR),
        (b"\x82\xff" + (1 << 63).to_bytes(8), CloseCode.TOO_LARGE),
        (b"\x82\xfe" + (4097).to_bytes(2), CloseCode.TOO_LARGE),
    ],
)
def test_a_bad_header_is_refused_before_its_payload_arrives(sent: bytes, code: CloseCode) -> None:
    frames = Frames()
    frames.feed(sent)
    with pytest.raises(FrameError) as refused:
        frames.next()
    assert refused.value.code == code


def test_a_fragment_of_bad_text_is_refused_before_the_message_is_whole() -> None:
    frames = Frames()
    frames.feed(masked(TEXT, b"good, then \xff", first=0))
    with pytest.raises(FrameError) as refused:
        frames.next()
    assert refused.value.code == CloseCode.INVALID_DATA


def test_a_control_frame_between_fragments_keeps_their_order() -> None:
    sent = masked(BINARY, b"a", first=0) + masked(PING, b"p") + masked(0, b"b")
    assert read(sent) == [Frame(Opcode.PING, b"p"), Frame(Opcode.BINARY, b"ab")]


def test_the_limit_counts_again_for_the_next_message() -> None:
    assert [len(payload) for _, payload in read(masked(BINARY, b"x" * 4096) * 3)] == [4096] * 3


def test_after_the_servers_close_only_the_clients_is_read() -> None:
    frames = Frames()
    frames.skip_to_close()
    for piece in (masked(TEXT, b"x" * 70_000), masked(0xF, b"x"), b"\x81\x01x", masked(PING, b"")):
        for start in range(0, len(piece), 30_000):
            frames.feed(piece[start : start + 30_000])
            assert frames.next() is None
        assert frames.waiting_bytes == 0
    frames.feed(masked(CLOSE, b""))
    assert frames.next() == Frame(Opcode.CLOSE, b"")


@pytest.mark.parametrize(("size", "head"), [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)])
def test_the_servers_frames_have_the_shortest_length(size: int, head: int) -> None:
    assert len(frame(Opcode.TEXT, b"x" * size)) == head + size


@pytest.mark.parametrize("reason", ["x" * 200, "ü" * 100, "a" + "ü" * 100, "€" * 50])
def test_a_long_reason_is_cut_between_characters(reason: str) -> None:
    sent = close_frame(1008, reason)
    assert len(sent) <= 127
    assert reason.startswith(sent[4:].decode())


@pytest.mark.parametrize(
    ("payload", "code"), [(b"", 1005), (b"\x03\xe8", 1000), (b"\x03\xf3x", 1011), (b"\x13\x87", 4999)]
)
def test_a_close_frame_tells_its_code(payload: bytes, code: int) -> None:
    assert close_code(payload) == code


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
def test_a_code_that_no_client_may_send_is_refused(code: int) -> None:
    with pytest.raises(FrameError):
        close_code(code.to_bytes(2))
