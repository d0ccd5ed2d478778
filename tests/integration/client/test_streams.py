"""Answers that come piece by piece, over real TLS; and a watch that another thread or a signal ends."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.support.patience import HANG_SECONDS
from tests.support.tls_server import Certificate, Server, make_certificate, say, say_and_hang_up
from tests.unit.client.in_loop import InLoop
from vault.client import AsyncClient, Client, HttpsTransport, HttpxTransport, Request
from vault.client.streaming import Stream
from vault.client.transport import ConnectionLost, Unreachable
from vault.errors import TransportError

GET = Request("GET", "/api/v1/changes")
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = EVENTS + b"Transfer-Encoding: chunked\r\n\r\n"
HELLO = b'data: {"type":"hello","cursor":"c0","ping_seconds":25}\n\n'

Script = Callable[[ssl.SSLSocket], None]
Start = Callable[..., Server]
Connect = Callable[..., HttpsTransport]


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path)


@pytest.fixture
def start(certificate: Certificate) -> Iterator[Start]:
    servers: list[Server] = []

    def begin(*scripts: Script) -> Server:
        servers.append(Server(certificate, *scripts))
        return servers[-1]

    yield begin
    for server in servers:
        server.close()


@pytest.fixture(params=[HttpsTransport, HttpxTransport])
def connect(request: pytest.FixtureRequest, certificate: Certificate) -> Iterator[Connect]:
    """Both transports, one after the other: the asynchronous one looks like the other here."""
    loop = asyncio.new_event_loop()
    transports: list[HttpsTransport] = []

    def make(
        server: Server, read_timeout_seconds: float = HANG_SECONDS, connect_timeout_seconds: float = HANG_SECONDS
    ) -> HttpsTransport:
        made = request.param(
            f"https://localhost:{server.port}",
            ca_file=certificate.ca_file,
            read_timeout_seconds=read_timeout_seconds,
            connect_timeout_seconds=connect_timeout_seconds,
        )
        found = made if isinstance(made, HttpsTransport) else cast("HttpsTransport", InLoop(loop, made))
        transports.append(found)
        return found

    yield make
    for transport in transports:
        transport.close()
    loop.close()


def synchronous(certificate: Certificate, server: Server) -> HttpsTransport:
    return HttpsTransport(f"https://localhost:{server.port}", ca_file=certificate.ca_file)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def in_steps(*pieces: bytes) -> Script:
    """Say each piece when the one before has surely been read, then hang up."""

    def act(connection: ssl.SSLSocket) -> None:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.02)
        connection.shutdown(socket.SHUT_RDWR)

    return act


def read_all(stream: Stream) -> bytes:
    found = b""
    while (data := stream.read(HANG_SECONDS)) is not None:
        found += data
    stream.close()
    return found


@pytest.mark.parametrize(
    "pieces",
    [
        [CHUNKED + chunk(b"ab") + chunk(b"c") + b"0\r\n\r\n"],
        [CHUNKED, chunk(b"ab")[:4], chunk(b"ab")[4:] + chunk(b"c"), b"0\r\n", b"\r\n"],
        [EVENTS + b"Content-Length: 3\r\n\r\na", b"bc"],
        [EVENTS + b"Content-Length: 3\r\n\r\na", b"bcd"],
        [EVENTS + b"\r\n", b"ab", b"c"],
        [EVENTS.replace(b"1.1", b"1.0") + b"\r\nabc"],
    ],
    ids=["at once", "chunks in pieces", "a length", "more than its length", "until the end", "HTTP/1.0"],
)
def test_a_body_is_read_as_it_comes(pieces: list[bytes], start: Start, connect: Connect) -> None:
    stream = connect(start(in_steps(*pieces))).stream(GET)
    assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
    assert read_all(stream) == b"abc"


def test_a_piece_is_returned_before_the_next_one_comes(start: Start, connect: Connect) -> None:
    server = start(say(CHUNKED + chunk(b"first")))
    stream = connect(server).stream(GET)
    assert stream.read(HANG_SECONDS) == b"first"
    assert stream.read(0.01) == b""
    assert stream.read(0.01) == b""
    stream.close()


@pytest.mark.parametrize(
    "data", [CHUNKED + chunk(b"abc"), CHUNKED + b"5\r\na", EVENTS + b"Content-Length: 4\r\n\r\nabc"]
)
def test_a_body_that_breaks_off_is_lost(data: bytes, start: Start, connect: Connect) -> None:
    stream = connect(start(say_and_hang_up(data))).stream(GET)
    with pytest.raises(ConnectionLost):
        read_all(stream)
    stream.close()


def test_a_stream_may_be_silent_for_longer_than_an_exchange_may_take(
    start: Start, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act(connection: ssl.SSLSocket) -> None:
        connection.sendall(CHUNKED + chunk(b"a"))
        time.sleep(1.3)
        connection.sendall(chunk(b"b") + b"0\r\n\r\n")

    monkeypatch.setattr("vault.client.bounded_socket.EXCHANGE_READ_TIMES", 1)
    assert read_all(connect(start(act), read_timeout_seconds=1.0).stream(GET)) == b"ab"


def test_a_server_whose_head_does_not_come_is_left(start: Start, connect: Connect) -> None:
    chosen = connect(start(lambda _: None), read_timeout_seconds=0.1, connect_timeout_seconds=2.0)
    with pytest.raises(ConnectionLost, match="did not answer"):
        chosen.stream(GET)


def test_the_head_of_a_long_poll_may_come_later(start: Start, connect: Connect) -> None:
    def late(connection: ssl.SSLSocket) -> None:
        time.sleep(0.3)
        connection.sendall(EVENTS + b"Content-Length: 2\r\n\r\n{}")

    chosen = connect(start(late), read_timeout_seconds=0.1)
    assert read_all(chosen.stream(GET, wait_seconds=HANG_SECONDS)) == b"{}"


def test_a_server_that_is_away_is_unreachable(connect: Connect, certificate: Certificate) -> None:
    server = Server(certificate, say(b""))
    server.close()
    with pytest.raises(Unreachable):
        connect(server).stream(GET)


def test_a_head_without_end_is_refused(start: Start, connect: Connect) -> None:
    server = start(say(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 60_000 + b"\r\n" + b"X: y\r\n" * 30_000))
    with pytest.raises(TransportError):
        connect(server).stream(GET)


@pytest.mark.parametrize("by", ["a thread", "a signal"])
def test_a_wait_for_a_change_is_ended(by: str, start: Start, certificate: Certificate) -> None:
    begun, ended = threading.Event(), threading.Event()

    def stream(connection: ssl.SSLSocket) -> None:
        connection.sendall(CHUNKED + chunk(HELLO))
        begun.set()
        ended.wait(HANG_SECONDS)

    feed = start(stream)
    client = Client("https://vault.test", "srm_t_x", transport=synchronous(certificate, feed))
    changes = client.changes(["prod"])

    def close() -> None:
        assert begun.wait(HANG_SECONDS)
        # The reader has the `hello` by then, and waits.
        time.sleep(0.1)
        if by == "a thread":
            changes.close()
        else:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, lambda _number, _frame: changes.close())
    closer = threading.Thread(target=close)
    closer.start()
    try:
        assert list(changes) == []
    finally:
        ended.set()
        closer.join()
        signal.signal(signal.SIGUSR1, before)


def test_a_watch_that_is_dropped_closes_its_connection(start: Start, certificate: Certificate) -> None:
    """The tests make an error of a socket that nobody closed."""
    changed = b'data: {"type":"change","cursor":"c1","kind":"write","environment":{"id":"e","name":"prod"}}\n\n'
    server = start(say(CHUNKED + chunk(HELLO + changed)))
    client = Client("https://vault.test", "srm_t_x", transport=synchronous(certificate, server))
    for change in client.changes(["prod"]):
        assert change.environment_name == "prod"
        break


@pytest.mark.parametrize("how", ["closed", "cancelled"])
def test_a_task_that_is_ended_leaves_nothing_behind(how: str, start: Start, certificate: Certificate) -> None:
    begun, ended = threading.Event(), threading.Event()

    def stream(connection: ssl.SSLSocket) -> None:
        connection.sendall(CHUNKED + chunk(HELLO))
        begun.set()
        ended.wait(HANG_SECONDS)

    server = start(stream)
    url = f"https://localhost:{server.port}"
    failures: list[object] = []

    async def follow() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        transport = HttpxTransport(url, ca_file=certificate.ca_file)
        async with AsyncClient(url, "srm_t_x", transport=transport) as client:
            changes = client.changes(["prod"])
            reader = asyncio.create_task(anext(changes))
            await asyncio.to_thread(begun.wait, HANG_SECONDS)
            # The reader has the `hello` by then, and waits.
            await asyncio.sleep(0.2)
            if how == "closed":
                await changes.close()
            else:
                reader.cancel()
            with pytest.raises(StopAsyncIteration if how == "closed" else asyncio.CancelledError):
                await reader
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    try:
        asyncio.run(follow(), debug=True)
    finally:
        ended.set()
    gc.collect()
    assert failures == []
