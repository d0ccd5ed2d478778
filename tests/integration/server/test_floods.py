"""Floods of HTTP/2 frames: each ends its own connection, holds little memory, and leaves the server to others.

Most of these bounds are gunicorn's and h2's own. The tests say so loudly if a new release of theirs gives one up.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator

import h2.errors
import h2.settings
import hpack
import pytest

from tests.integration.server.conftest import Dial, Raw, get
from tests.integration.server.http2_client import Http2
from tests.integration.server.test_limits import memory_mib
from tests.support.serving import RunningServer

STRANGER = "127.0.0.66"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS = 1, 4

Flood = Callable[[int], bytes]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def header(path: str = "/livez", *fields: tuple[str, str]) -> bytes:
    pseudo = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", path)]
    return hpack.Encoder().encode([*pseudo, *fields])


def one_request(stream: int) -> bytes:
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, header())


@pytest.fixture
def raw(server: RunningServer) -> Iterator[Raw]:
    """A connection that speaks HTTP/2, after its first request."""
    made = Raw(server, alpn="h2", source=STRANGER)
    made.send(PREFACE + frame(SETTINGS, 0, 0))
    yield made
    made.close()


def end_of(raw: Raw) -> int | None:
    """The error code of the GOAWAY that ends the connection; None when it ends without one."""
    received = b""
    with contextlib.suppress(ConnectionError, OSError):
        while data := raw.socket.recv(65536):
            received += data
    code = None
    while len(received) >= 9:
        length, kind = int.from_bytes(received[:3]), received[3]
        if kind == 7 and len(received) >= 17:
            code = int.from_bytes(received[13:17])
        received = received[9 + length :]
    return code


def is_alive(raw: Raw) -> bool:
    """Whether the server answers a PING."""
    raw.send(frame(PING, 0, 0, b"are you?"))
    received = b""
    while b"are you?" not in received:
        data = raw.socket.recv(65536)
        if not data:
            return False
        received += data
    return True


def pour(raw: Raw, flood: Flood, times: int) -> None:
    """Send as much of the flood as the server takes."""
    with contextlib.suppress(ConnectionError, OSError):
        for number in range(0, times, 50):
            raw.send(b"".join(map(flood, range(number, number + 50))))


FLOODS: dict[str, tuple[Flood, int]] = {
    "rapid reset": (lambda n: one_request(3 + 2 * n) + frame(RST_STREAM, 0, 3 + 2 * n, struct.pack(">I", 8)), 1000),
    "ping": (lambda n: frame(PING, 0, 0, struct.pack(">Q", n)), 5000),
    "settings": (lambda _: frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)), 5000),
    "window update": (lambda _: frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)), 5000),
    "priority": (lambda n: frame(PRIORITY, 0, 1001, struct.pack(">IB", 0, n % 256)), 5000),
    "empty data": (lambda _: frame(DATA, 0, 1), 5000),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_of_frames_ends_its_connection(server: RunningServer, raw: Raw, name: str) -> None:
    flood, times = FLOODS[name]
    body_comes = name == "empty data"
    raw.send(frame(HEADERS, END_HEADERS, 1, header("/store")) if body_comes else one_request(1))
    # A few are not a flood.
    pour(raw, flood, 50)
    assert is_alive(raw)
    pour(raw, lambda number: flood(50 + number), times)
    # What is still on its way to a closed socket may take the goodbye with it.
    assert end_of(raw) in (h2.errors.ErrorCodes.ENHANCE_YOUR_CALM, None)
    assert get(server, "/readyz").status == 200


@pytest.mark.parametrize("stream", [0, 1])
@pytest.mark.parametrize("increment", [0, 2**31 - 1])
def test_a_window_that_grows_by_nothing_or_too_far_ends_stream_or_connection(
    server: RunningServer, stream: int, increment: int
) -> None:
    client = Http2(server, source=STRANGER)
    client.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
    client.flush()
    if stream:
        client.send(client.start("GET", "/repeat/x/1000"), b"")
    client.raw.send(frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment)) * 2)
    ended = False
    while not ended:
        try:
            ended = any(isinstance(event, h2.events.StreamReset) for event in client.events())
        except ConnectionError:
            ended = True
    client.raw.close()
    assert get(server, "/readyz").status == 200


def test_a_header_block_without_end_ends_its_connection_early(server: RunningServer, raw: Raw) -> None:
    pid = get(server, "/pid").json()["pid"]
    before = memory_mib(pid)
    raw.send(frame(HEADERS, 0, 1, header()))
    raw.send(frame(CONTINUATION, 0, 1, b"\0" * 16_000) * 6)
    assert end_of(raw) == h2.errors.ErrorCodes.PROTOCOL_ERROR
    assert memory_mib(pid) - before < 10


@pytest.mark.parametrize("size", [200, 4000])
def test_a_header_list_that_unpacks_to_much_more_is_refused(server: RunningServer, raw: Raw, size: int) -> None:
    # One field goes into the table; then one byte each repeats it.
    encoder = hpack.Encoder()
    block = encoder.encode([(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/livez")])
    block += encoder.encode([("x", "y" * (size - 40))]) + b"\xbe" * 8000
    raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block))
    assert end_of(raw) is not None
    assert get(server, "/readyz").status == 200


def test_a_header_table_as_large_as_the_client_likes_is_refused(raw: Raw) -> None:
    # A dynamic table size update (RFC 7541, 6.3) to 2**24 bytes.
    raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x3f\xe1\xff\xff\x07" + header()))
    assert end_of(raw) is not None


def test_no_more_streams_than_announced_are_open_at_once(raw: Raw) -> None:
    for number in range(120):
        raw.send(frame(HEADERS, END_HEADERS, 1 + 2 * number, header("/store")))
    assert end_of(raw) is not None


def test_a_header_over_http_1_may_have_32_kib_in_all(dial: Dial) -> None:
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 7000) for number in range(6))
    raw = dial()
    raw.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n")
    assert raw.reply().status == 431


def test_a_client_that_downloads_much_with_many_window_updates_is_served(server: RunningServer) -> None:
    client = Http2(server)
    for _ in range(4):
        assert len(client.ask("GET", "/repeat/x/1000000").body) == 1_000_000
    client.raw.close()
