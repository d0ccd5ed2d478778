"""HTTPS over real sockets: what is trusted, what is kept open, and what a broken answer becomes."""

from __future__ import annotations

import asyncio
import datetime
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from tests.support.patience import HANG_SECONDS
from tests.support.tls_server import HOUR, NOW, Certificate, Server, make_certificate, say, say_and_hang_up
from tests.unit.client.in_loop import InLoop
from vault.client import HttpsTransport, HttpxTransport, Request, Response
from vault.client.transport import ConnectionLost, Unreachable
from vault.errors import TransportError

GET = Request("GET", "/api/v1/me")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

Start = Callable[..., Server]


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path)


@pytest.fixture
def start(certificate: Certificate) -> Iterator[Start]:
    servers: list[Server] = []

    def begin(*scripts: Callable[[ssl.SSLSocket], None], presented: Certificate = certificate) -> Server:
        servers.append(Server(presented, *scripts))
        return servers[-1]

    yield begin
    for server in servers:
        server.close()


Connect = Callable[..., HttpsTransport]


@pytest.fixture(params=[HttpsTransport, HttpxTransport])
def connect(request: pytest.FixtureRequest, certificate: Certificate) -> Iterator[Connect]:
    """Both transports, one after the other: the asynchronous one looks like the other here."""
    with _connecting(request.param, certificate) as make:
        yield make


@pytest.fixture
def connect_synchronous(certificate: Certificate) -> Iterator[Connect]:
    with _connecting(HttpsTransport, certificate) as make:
        yield make


@contextmanager
def _connecting(kind: type[HttpsTransport | HttpxTransport], certificate: Certificate) -> Iterator[Connect]:
    transports: list[HttpsTransport] = []
    loop = asyncio.new_event_loop()

    def make(
        port: int,
        *,
        host: str = "localhost",
        ca_file: Path | None = certificate.ca_file,
        read_timeout_seconds: float = HANG_SECONDS,
        connect_timeout_seconds: float = HANG_SECONDS,
    ) -> HttpsTransport:
        transport = kind(
            f"https://{host}:{port}",
            ca_file=ca_file,
            connect_timeout_seconds=connect_timeout_seconds,
            read_timeout_seconds=read_timeout_seconds,
        )
        found = transport if isinstance(transport, HttpsTransport) else cast("HttpsTransport", InLoop(loop, transport))
        transports.append(found)
        return found

    yield make
    for transport in transports:
        transport.close()
    loop.close()


def test_a_connection_serves_many_requests(start: Start, connect: Connect) -> None:
    server = start(say(OK))
    transport = connect(server.port)
    assert [transport.send(GET).body for _ in range(3)] == [b"{}"] * 3
    assert server.connections == 1


def test_the_base_path_of_a_proxy_is_kept(start: Start, certificate: Certificate) -> None:
    server = start(say(OK))
    transport = HttpsTransport(f"https://localhost:{server.port}/strongroom/", ca_file=certificate.ca_file)
    transport.send(GET)
    transport.close()
    assert server.requests[0].startswith(b"GET /strongroom/api/v1/me HTTP/1.1\r\n")


@pytest.mark.parametrize("path", ["/a%2Fb%7e", "/a?names=A%2CB'[]|", "/a?b=%c3%a9&c=+%20", "/%2e%2e/a"])
def test_a_path_is_sent_as_it_is(path: str, start: Start, connect: Connect) -> None:
    server = start(say(OK))
    connect(server.port).send(Request("GET", path))
    assert server.requests[0].startswith(f"GET {path} HTTP/1.1\r\n".encode())


def test_a_connection_that_the_server_closed_is_not_used_again(start: Start, connect: Connect) -> None:
    server = start(say_and_hang_up(OK))
    transport = connect(server.port)
    assert [transport.send(GET).status for _ in range(3)] == [200] * 3
    assert server.connections == 3


def test_a_late_answer_never_meets_the_next_request(start: Start, connect_synchronous: Connect) -> None:
    """httpx2 keeps what follows an answer for the next one, and has nothing to ask for it."""
    server = start(say(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"), say(OK))
    transport = connect_synchronous(server.port)
    assert [transport.send(GET).body for _ in range(2)] == [b"{}"] * 2


def test_a_child_process_opens_its_own_connection(start: Start, connect_synchronous: Connect) -> None:
    """An event loop is not for two processes in any case."""
    server = start(say(OK))
    transport = connect_synchronous(server.port)
    transport.send(GET)
    with pytest.MonkeyPatch.context() as patch:
        parent = os.getpid()
        patch.setattr("vault.client.transport.os.getpid", lambda: parent + 1)
        transport.send(GET)
    assert server.connections == 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
    ],
)
def test_an_answer_that_was_cut_short_is_lost(data: bytes, start: Start, connect: Connect) -> None:
    server = start(say_and_hang_up(data))
    with pytest.raises(ConnectionLost):
        connect(server.port).send(GET)


def test_an_answer_of_unknown_length_is_refused(start: Start, connect: Connect) -> None:
    server = start(say_and_hang_up(b"HTTP/1.1 200 OK\r\n\r\n{}"))
    with pytest.raises(TransportError, match="the length"):
        connect(server.port).send(GET)


def test_what_is_not_http_is_told(start: Start, connect: Connect) -> None:
    server = start(say(b"220 mail.test ESMTP\r\n\r\n"))
    with pytest.raises(TransportError, match="like an HTTP server"):
        connect(server.port).send(GET)


def test_a_server_that_does_not_answer_is_left(start: Start, connect: Connect) -> None:
    server = start(lambda _connection: None)
    with pytest.raises(ConnectionLost, match=r"within 0\.3 s"):
        connect(server.port, read_timeout_seconds=0.3).send(GET)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def trickle(first: bytes, slow: bytes, last: bytes) -> Callable[[ssl.SSLSocket], None]:
    """Say `first`, then one byte of `slow` after the other for four seconds in all, then `last`."""

    def act(connection: ssl.SSLSocket) -> None:
        connection.sendall(first)
        for byte in slow:
            time.sleep(4 / len(slow))
            connection.sendall(bytes([byte]))
        connection.sendall(last)

    return act


@pytest.mark.parametrize(
    ("first", "slow", "last"),
    [
        (b"", HEAD[:-2], b"\r\n" + b"x" * 200),
        (HEAD, b"x" * 200, b""),
        (CHUNKED, b"1\r\nx\r\n" * 20, b"0\r\n\r\n"),
        (CHUNKED + b"0\r\n", b"A: b\r\n" * 20, b"\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 4, OK),
    ],
    ids=["head", "body", "chunks", "trailers", "interim answers"],
)
def test_a_server_that_sends_byte_by_byte_is_left(
    first: bytes, slow: bytes, last: bytes, start: Start, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.client.bounded_socket.EXCHANGE_READ_TIMES", 1)
    server = start(trickle(first, slow, last))
    with pytest.raises(TransportError, match=r"did not finish its answer within 0\.5 s") as caught:
        connect(server.port, read_timeout_seconds=0.5).send(GET)
    # A lost connection is tried again, and each try would take as long.
    assert not isinstance(caught.value, ConnectionLost)


def test_a_server_that_reads_slowly_is_left(start: Start, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    body = bytes(16 * 1024 * 1024)

    def read_slowly(connection: ssl.SSLSocket) -> None:
        taken = 0
        while taken < len(body):
            data = connection.recv(16384)
            if not data:
                return
            taken += len(data)
            time.sleep(0.004)
        connection.sendall(OK)

    monkeypatch.setattr("vault.client.bounded_socket.EXCHANGE_READ_TIMES", 1)
    server = start(read_slowly)
    with pytest.raises(TransportError, match=r"did not finish its answer within 0\.5 s"):
        connect(server.port, read_timeout_seconds=0.5).send(Request("PUT", "/api/v1/me", {}, body))


def test_each_exchange_has_the_whole_time(start: Start, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("vault.client.bounded_socket.EXCHANGE_READ_TIMES", 5 / HANG_SECONDS)
    server = start(say(OK))
    transport = connect(server.port)
    for _ in range(3):
        assert transport.send(GET).body == b"{}"
        clock[0] += 3
    assert server.connections == 1


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 100 Continue\r\nX: "
        + b"x" * 60_000
        + b"\r\nY: "
        + b"y" * 60_000
        + b"\r\nZ: "
        + b"z" * 30_000
        + b"\r\n\r\n"
        + OK,
        b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"x" * 50_000 + b"\r\n") * 6 + b"Content-Length: 2\r\n\r\n{}",
    ],
    ids=["an interim answer's head", "the head"],
)
def test_a_head_that_is_too_long_is_refused(data: bytes, start: Start, connect: Connect) -> None:
    server = start(say(data))
    with pytest.raises(TransportError, match="bytes before the body"):
        connect(server.port).send(GET)


def test_interim_answers_without_end_are_refused(start: Start, connect_synchronous: Connect) -> None:
    """httpx2 skips any number of them, within the time of the whole exchange."""
    server = start(say(b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000 + OK))
    with pytest.raises(TransportError, match="bytes before the body"):
        connect_synchronous(server.port).send(GET)


def test_a_few_interim_answers_are_skipped(start: Start, connect: Connect) -> None:
    server = start(say(b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + OK))
    assert connect(server.port).send(GET).body == b"{}"


def test_the_longest_header_is_read(start: Start, connect: Connect) -> None:
    long = b"X: " + b"x" * 65_000
    server = start(say(b"HTTP/1.1 200 OK\r\n" + long + b"\r\nContent-Length: 2\r\n\r\n{}"))
    assert connect(server.port).send(GET).body == b"{}"


def test_a_chunked_answer_is_whole(start: Start, connect: Connect) -> None:
    server = start(say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"))
    assert connect(server.port).send(GET) == Response(200, {"transfer-encoding": "chunked"}, b"{}")


def test_a_304_leaves_the_connection_open(start: Start, connect: Connect) -> None:
    server = start(say(b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"))
    transport = connect(server.port)
    assert [transport.send(GET).status for _ in range(2)] == [304, 304]
    assert server.connections == 1


def test_an_authority_that_is_not_trusted(start: Start, connect: Connect) -> None:
    server = start(say(OK))
    with pytest.raises(TransportError, match="Give the CA file"):
        connect(server.port, ca_file=None).send(GET)
    assert server.requests == []


def test_a_certificate_made_out_to_another_name(start: Start, connect: Connect, tmp_path: Path) -> None:
    other = make_certificate(tmp_path, name="vault.test")
    server = start(say(OK), presented=other)
    for host in ("localhost", "127.0.0.1"):
        with pytest.raises(TransportError, match=f"not valid for {host}"):
            connect(server.port, host=host, ca_file=other.ca_file).send(GET)


@pytest.mark.parametrize(("begins", "words"), [(NOW - 3 * HOUR, "has expired"), (NOW + HOUR, "not valid yet")])
def test_a_certificate_out_of_its_time(
    begins: datetime.datetime, words: str, start: Start, connect: Connect, tmp_path: Path
) -> None:
    other = make_certificate(tmp_path, begins=begins)
    server = start(say(OK), presented=other)
    with pytest.raises(TransportError, match=words):
        connect(server.port, ca_file=other.ca_file).send(GET)


def test_a_port_where_nobody_listens(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable, match="refused the connection"):
        connect(port).send(GET)


def test_a_port_that_speaks_plain_http(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(TransportError, match="does not speak TLS"):
            connect(listener.getsockname()[1]).send(GET)
        thread.join()


def test_a_host_that_has_no_address() -> None:
    with pytest.raises(TransportError, match="no-such-host"):
        HttpsTransport("https://no-such-host.invalid").send(GET)


def test_a_port_that_accepts_and_stays_silent(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport = connect(listener.getsockname()[1], connect_timeout_seconds=0.3)
        with pytest.raises(Unreachable, match="accepted the connection, but did not finish the TLS handshake in time"):
            transport.send(GET)


def test_a_port_that_does_not_accept(connect: Connect) -> None:
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as listener,
        socket.socket() as first,
        socket.socket() as next,
    ):
        port = listener.getsockname()[1]
        first.connect(("127.0.0.1", port))
        next.setblocking(False)
        next.connect_ex(("127.0.0.1", port))
        with pytest.raises(Unreachable, match="did not accept a connection in time"):
            connect(port, connect_timeout_seconds=0.3).send(GET)


def test_a_port_that_accepts_and_hangs_up(connect: Connect) -> None:
    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            # All of the hello is read, so that the end is not a reset.
            connection.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        with pytest.raises(Unreachable, match=r"during the TLS handshake\. It may be starting or full, or this port"):
            connect(listener.getsockname()[1]).send(GET)
        thread.join()
