"""Calls that stay open when the server stops, reloads, or stands behind a proxy."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.server.conftest import LIVE, LIVE_LIMITS, Raw, get
from tests.integration.server.http2_client import Http2
from tests.integration.server.socket_client import CLOSE, PING, TEXT, SocketClient
from tests.integration.server.test_streams import open_stream
from tests.support.patience import HANG_SECONDS, eventually, in_time
from tests.support.ports import free_port
from tests.support.programs import started
from tests.support.serving import RunningServer

SOCKETS, STREAMS, POLLS = 100, 20, 20


class Ended(NamedTuple):
    """What the clients of a server got when it stopped."""

    closes: list[tuple[int, str]]
    streams: list[bytes]
    over_http2: bytes
    polls: list[bytes]
    exit_code: int
    seconds: float
    log: str


def rest(raw: Raw) -> bytes:
    """Everything that arrives until the end of a chunked answer."""
    received = b""
    with contextlib.suppress(OSError):
        while not received.endswith(b"0\r\n\r\n") and b"drained" not in received:
            received += raw._some()
    return received


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A server that is stopped while many calls are open. One client never answers the close frame."""
    folder, patient = tmp_path_factory.mktemp("ended"), {"STRONGROOM_GRACEFUL_TIMEOUT_SECONDS": "60"}
    with RunningServer(folder, LIVE_LIMITS | patient, factory=LIVE) as server, ThreadPoolExecutor(16) as pool:
        sockets = list(pool.map(lambda _: SocketClient(server, "/proven"), range(SOCKETS)))
        streams = list(pool.map(lambda _: open_stream(server, "/stream"), range(STREAMS)))
        polls = list(pool.map(lambda _: open_stream(server, "/wait"), range(POLLS)))
        http2 = Http2(server)
        stream = http2.start("GET", "/stream")
        http2.send(stream, b"")
        assert eventually(lambda: _count(server) == SOCKETS + STREAMS + POLLS + 1)
        started_seconds = time.monotonic()
        server.send_signal(signal.SIGTERM)

        def end(number: int) -> tuple[int, str]:
            frame = sockets[number].next()
            if number:
                sockets[number].send(CLOSE, frame.payload[:2])
            return frame.code, frame.payload[2:].decode()

        closes = list(pool.map(end, range(SOCKETS)))
        over_http2 = http2.reply(stream).body
        found = list(pool.map(rest, streams)), list(pool.map(rest, polls))
        exit_code = server.stop(signal.SIGTERM)
        seconds = time.monotonic() - started_seconds
        for raw in (*streams, *polls, *(client.raw for client in sockets), http2.raw):
            raw.close()
        return Ended(closes, found[0], over_http2, found[1], exit_code, seconds, server.log)


def _count(server: RunningServer) -> int:
    """The live calls that are open, as the toy counts them."""
    count: int = get(server, "/open-calls").json()["open"] - 1
    return count


def test_every_socket_is_asked_to_come_back_and_not_at_the_same_moment(ended: Ended) -> None:
    assert {code for code, _ in ended.closes} == {1012}
    hints = [re.fullmatch(r"reconnect in (\d+) seconds", reason) for _, reason in ended.closes]
    seconds = [int(hint[1]) for hint in hints if hint]
    assert len(seconds) == SOCKETS
    assert 0 <= min(seconds) < max(seconds) <= 10
    assert len(set(seconds)) > 3


def test_every_stream_ends_as_the_application_ends_it(ended: Ended) -> None:
    for received in (*ended.streams, ended.over_http2):
        hints = re.findall(rb"retry: (\d+)\n", received)
        assert len(hints) == 2
        assert 0 <= int(hints[1]) <= 10_000
    assert all(received.endswith(b"0\r\n\r\n") for received in ended.streams)


def test_every_long_poll_is_answered_at_once(ended: Ended) -> None:
    assert all(b'{"drained": true}' in received for received in ended.polls)


def test_the_worker_ends_in_time_and_logs_no_error(ended: Ended) -> None:
    assert ended.exit_code == 0
    # A call that held up the worker would take all of its graceful time, which is a minute.
    assert in_time(ended.seconds, 25.0)
    assert all(f'"route": "{route}"' in ended.log for route in ("/proven", "/stream", "/wait"))
    assert '"level": "error"' not in ended.log
    assert "Traceback" not in ended.log


def test_a_reload_moves_the_sockets_to_new_workers(tmp_path: Path) -> None:
    with RunningServer(tmp_path, LIVE_LIMITS, factory=LIVE) as server:
        before = get(server, "/pid").json()["pid"]
        client = SocketClient(server, "/proven")
        server.send_signal(signal.SIGHUP)
        frame = client.next()
        assert (frame.opcode, frame.code) == (CLOSE, 1012)
        # New workers serve before the old ones end.
        again = SocketClient(server, "/proven")
        assert again.echo("x") == "x"
        assert get(server, "/pid").json()["pid"] != before
        client.close()
        again.close()
        assert '"level": "error"' not in server.log


# -- Behind a proxy --

_HAPROXY = """
global
    maxconn 100
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
    timeout tunnel 2s
frontend plain
    bind 127.0.0.1:{front}
    http-request del-header X-Forwarded-For
    http-request set-header X-Forwarded-For 203.0.113.9
    default_backend vault
backend vault
    server vault 127.0.0.1:{back}
"""


class Behind(NamedTuple):
    """A server for plain HTTP, and the port of the HAProxy in front of it."""

    server: RunningServer
    port: int


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """HAProxy closes a tunnel on which nothing moves for two seconds; the server pings each half second."""
    folder, front = tmp_path_factory.mktemp("behind"), free_port()
    program = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "haproxy is not installed; `make test` installs it on Debian and Ubuntu."
    plain = {"STRONGROOM_PLAIN_HTTP": "1", "STRONGROOM_TRUSTED_PROXIES": "127.0.0.1/32", "TOY_PING_SECONDS": "0.5"}
    with RunningServer(folder, LIVE_LIMITS | plain, factory=LIVE) as server:
        (folder / "haproxy.cfg").write_text(_HAPROXY.format(front=front, back=server.port))
        with started([program, "-db", "-f", str(folder / "haproxy.cfg")], front, folder):
            yield Behind(server, front)


def test_a_socket_through_haproxy_stays_open_while_the_server_pings(behind: Behind) -> None:
    client = SocketClient(behind.server, "/proven", port=behind.port)
    end = time.monotonic() + 3.0
    while time.monotonic() < end:
        assert client.next().opcode == PING
    client.send(TEXT, b"still here")
    while (frame := client.next()).opcode == PING:
        pass
    assert frame == (TEXT, b"still here")
    client.send(CLOSE, b"\x03\xe8")
    assert client.code() == 1000
    client.close()


def test_a_stream_through_haproxy_is_of_the_client_that_it_names(behind: Behind) -> None:
    connection = HTTPConnection("127.0.0.1", behind.port, timeout=HANG_SECONDS)
    connection.request("GET", "/who")
    answer = connection.getresponse()
    about = json.loads(answer.read())
    connection.close()
    assert (about["address"], about["forwarded_by_proxy"]) == ("203.0.113.9", True)
    assert answer.getheader("strict-transport-security")


def test_a_refused_handshake_passes_haproxy_whole(behind: Behind) -> None:
    raw = Raw(behind.server, port=behind.port)
    raw.send(b"GET /refuse HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")  # fmt: skip
    reply = raw.reply()
    assert (reply.status, reply.json()["code"]) == (401, "not_authenticated")
    raw.close()
