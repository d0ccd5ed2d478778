"""WebSockets on a real server: frames of every kind, handshakes, limits, and clients that misbehave."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.integration.server.conftest import Raw, Reply, get, logged
from tests.integration.server.http2_client import Http2
from tests.integration.server.socket_client import BINARY, CLOSE, PING, PONG, TEXT, SocketClient, handshake, masked
from tests.support.serving import RunningServer

Open = Callable[..., SocketClient]


@pytest.fixture
def connect(live: RunningServer) -> Iterator[Open]:
    """Opens sockets, closed after the test."""
    with contextlib.ExitStack() as stack:

        def make(path: str = "/sync", behind: bytes = b"") -> SocketClient:
            client = SocketClient(live, path, behind=behind)
            stack.callback(client.close)
            return client

        yield make


def ends(client: SocketClient) -> bool:
    """Whether the server says nothing more and ends the connection."""
    with pytest.raises(ConnectionError):
        client.next()
    return True


# -- Messages --


def test_the_handshake_is_answered_with_the_key_and_nothing_that_was_not_asked_for(connect: Open) -> None:
    accepted = connect().accepted
    # The example of RFC 6455, 1.3.
    assert accepted.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert set(accepted.headers) == {"upgrade", "connection", "sec-websocket-accept", "x-request-id"}


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 4095, 4096])
def test_a_text_of_any_size_up_to_the_limit_arrives(connect: Open, size: int) -> None:
    assert connect().echo("x" * size) == "x" * size


def test_a_message_over_the_limit_closes_with_1009(connect: Open) -> None:
    for fragments in ([4097], [65536], [4000, 97]):
        client = connect()
        for number, size in enumerate(fragments):
            is_last = number == len(fragments) - 1
            client.send(TEXT if number == 0 else 0, b"x" * size, first=0x80 if is_last else 0)
        assert client.code() == 1009


def test_fragments_are_joined_with_a_ping_between_them(connect: Open) -> None:
    client = connect()
    client.send(TEXT, b"one ", first=0)
    client.send(PING, b"between")
    client.send(0, b"", first=0)
    client.send(0, b"two", first=0x80)
    assert client.next() == (PONG, b"between")
    assert client.next() == (TEXT, b"one two")


def test_a_character_may_be_split_between_fragments(connect: Open) -> None:
    client = connect()
    client.send(TEXT, "ü".encode()[:1], first=0)
    client.send(0, "ü".encode()[1:])
    assert client.next() == (TEXT, "ü".encode())


def test_the_application_closes_a_binary_message_with_1003(connect: Open) -> None:
    client = connect()
    client.send(BINARY, b"\0\1")
    assert client.code() == 1003


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (masked(TEXT, b"x", first=0xC0), 1002),  # compressed
        (masked(TEXT, b"x", first=0xA0), 1002),
        (masked(TEXT, b"x", first=0x90), 1002),
        (b"\x81\x01x", 1002),  # without a mask
        (masked(0x3, b"x"), 1002),
        (masked(0x7, b"x"), 1002),
        (masked(0xB, b"x"), 1002),
        (masked(0xF, b""), 1002),
        (masked(0, b"x"), 1002),  # continues nothing
        (masked(TEXT, b"x", first=0) + masked(TEXT, b"x"), 1002),
        (masked(PING, b"x", first=0), 1002),
        (masked(PING, b"x" * 126), 1002),
        (b"\x81\xfe\x00\x01\0\0\0\0x", 1002),  # a length that is not in its shortest form
        (masked(TEXT, b"\xff"), 1007),
        (masked(TEXT, b"\xed\xa0\x80"), 1007),  # half of a surrogate pair
        (masked(TEXT, "ü".encode()[:1]), 1007),
        (masked(TEXT, b"\xc3", first=0) + masked(0, b"\x28"), 1007),
        (masked(CLOSE, b"x"), 1002),
        (masked(CLOSE, (999).to_bytes(2)), 1002),
        (masked(CLOSE, (1005).to_bytes(2)), 1002),
        (masked(CLOSE, (1006).to_bytes(2)), 1002),
        (masked(CLOSE, (2999).to_bytes(2)), 1002),
        (masked(CLOSE, (5000).to_bytes(2)), 1002),
        (masked(CLOSE, (1000).to_bytes(2) + b"\xff"), 1007),
    ],
)
def test_a_frame_that_breaks_the_protocol_closes_the_socket(connect: Open, sent: bytes, code: int) -> None:
    client = connect()
    client.raw.send(sent)
    assert client.code() == code
    client.send(CLOSE, code.to_bytes(2))
    assert ends(client)


def test_a_frame_may_arrive_byte_by_byte(connect: Open) -> None:
    client = connect()
    for byte in masked(TEXT, b"hello"):
        client.raw.send(bytes((byte,)))
    assert client.next() == (TEXT, b"hello")


# -- Closing --


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe8bye", b"\x0b\xb8", b"\x13\x87"])
def test_a_client_that_closes_gets_its_code_back_and_the_end(connect: Open, payload: bytes) -> None:
    client = connect()
    client.send(CLOSE, payload)
    assert client.next() == (CLOSE, payload[:2])
    assert ends(client)


def test_what_comes_after_a_close_frame_is_ignored(connect: Open) -> None:
    client = connect()
    client.raw.send(masked(CLOSE, b"\x03\xe8") + masked(TEXT, b"more") + masked(0xF, b""))
    assert client.next() == (CLOSE, b"\x03\xe8")
    assert ends(client)


def test_what_comes_after_the_servers_close_frame_is_dropped_until_the_clients(connect: Open) -> None:
    client = connect()
    client.send(BINARY, b"")
    assert client.next().code == 1003
    client.raw.send(masked(TEXT, b"more") + masked(TEXT, b"x" * 70_000) + masked(0xF, b"") + b"\x81\x01x")
    client.send(CLOSE, b"\x03\xeb")
    assert ends(client)


def test_a_client_that_does_not_answer_a_close_frame_is_cut_off(connect: Open) -> None:
    client = connect()
    client.send(BINARY, b"")
    assert client.next().code == 1003
    assert ends(client)


def test_an_application_that_fails_closes_with_1011_and_the_log_says_why(live: RunningServer, connect: Open) -> None:
    client = connect("/crash-later")
    client.send(TEXT, b"now")
    assert client.code() == 1011
    client.send(CLOSE, b"\x03\xf3")
    assert any("ValueError: (message withheld)" in line for line in logged(live, client.accepted))


# -- Handshakes --


def refused(live: RunningServer, sent: bytes) -> Reply:
    raw = Raw(live)
    raw.send(sent)
    reply = raw.reply()
    assert raw.is_closed()
    raw.close()
    return reply


def test_what_is_sent_behind_the_handshake_is_not_lost(connect: Open) -> None:
    client = connect(behind=masked(TEXT, b"early") + masked(PING, b"x"))
    assert [client.next(), client.next()] == [(PONG, b"x"), (TEXT, b"early")]


def test_much_behind_the_handshake_waits_until_it_is_answered(connect: Open) -> None:
    client = connect("/proven", behind=b"".join(masked(TEXT, b"x" * 4000) for _ in range(20)))
    assert {client.next().payload for _ in range(20)} == {b"x" * 4000}


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (handshake().replace(b"Version: 13", b"Version: 8"), 426, "invalid_input"),
        (handshake().replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"c2hvcnQ="), 400, "invalid_input"),
        (handshake("/sync", "Content-Length: 6") + masked(TEXT, b""), 400, "invalid_input"),
        (handshake("/sync", "Transfer-Encoding: chunked"), 400, "invalid_input"),
        (handshake("/open"), 404, "not_found"),
        (handshake("/refuse"), 401, "not_authenticated"),
        (handshake("/crash-live"), 500, "internal"),
        (handshake("/say-nothing"), 500, "internal"),
    ],
)
def test_a_refused_handshake_gets_a_problem_document(live: RunningServer, sent: bytes, status: int, code: str) -> None:
    reply = refused(live, sent)
    assert (reply.status, reply.json()["code"]) == (status, code)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["x-request-id"] == reply.json()["request_id"]
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers.get("sec-websocket-version") == ("13" if status == 426 else None)
    assert any(f'"status": {status}' in line for line in logged(live, reply))


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "CONNECT"])
def test_another_method_opens_no_socket(live: RunningServer, method: str) -> None:
    raw = Raw(live)
    raw.send(handshake().replace(b"GET", method.encode()))
    assert raw.socket.recv(65536).split()[1] in (b"400", b"404", b"405")
    raw.close()


def test_a_socket_is_logged_once_when_it_ends_and_nothing_of_its_query_is(live: RunningServer) -> None:
    client = SocketClient(live, "/sync?after=hunter2-in-a-query")
    client.send(TEXT, b"hunter2-in-a-message")
    assert client.next().payload == b"hunter2-in-a-message"
    client.send(CLOSE, b"\x03\xe8hunter2-in-a-reason")
    client.code()
    client.close()
    (line,) = logged(live, client.accepted)
    assert '"route": "/sync", "status": 101' in line
    assert '"open_seconds"' in line
    assert "hunter2" not in live.log


@pytest.mark.parametrize("path", ["/crash-live", "/refuse", "/open"])
def test_nothing_of_a_refused_handshake_is_logged(live: RunningServer, path: str) -> None:
    lines = ("Authorization: Bearer srm_t_hunter2", "Cookie: __Host-session=hunter2", "Origin: https://hunter2.example")
    reply = refused(live, handshake(f"{path}?ticket=hunter2", *lines))
    assert logged(live, reply)
    assert "hunter2" not in live.log


def test_there_are_no_sockets_over_http2(live: RunningServer) -> None:
    client = Http2(live)
    assert client.ask("GET", "/who").status == 200
    # The server does not offer Extended CONNECT (RFC 8441).
    assert client.h2.remote_settings.enable_connect_protocol == 0
    with contextlib.suppress(ConnectionError):
        assert client.reply(client.start("CONNECT", "/sync", (":protocol", "websocket"))).status >= 400
    client.close()
    assert get(live, "/open").status == 200
