"""Clients that do not read their answers: what those may hold, when they are cut off, and that others are served."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import h2.settings
import pytest

from tests.integration.server.conftest import SHORT_LIMITS, TOY, Dial, Raw, get, request
from tests.integration.server.http2_client import Http2
from tests.integration.server.test_limits import memory_mib
from tests.support.patience import HANG_SECONDS, eventually
from tests.support.serving import RunningServer

MIB = 1024 * 1024
STRANGER = "127.0.0.66"
Connect = Callable[..., Http2]
BIG = f"/repeat/x/{MIB}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that holds 16 MiB for clients, and 4 MiB for each caller."""
    limits = SHORT_LIMITS | {
        "STRONGROOM_BUFFERED_BYTES": str(16 * MIB),
        "STRONGROOM_MAX_REQUESTS_IN_FLIGHT": "200",
        "STRONGROOM_MAX_REQUESTS_IN_FLIGHT_PER_CALLER": "100",
    }
    with RunningServer(tmp_path_factory.mktemp("unread"), limits, factory=TOY) as running:
        yield running


@pytest.fixture
def connect(server: RunningServer) -> Iterator[Connect]:
    """Makes clients at another address than those of `get`, which give each stream a window of so many bytes."""
    with contextlib.ExitStack() as stack:

        def make(window: int = 0) -> Http2:
            client = Http2(server, source=STRANGER)
            stack.callback(client.raw.close)
            client.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
            client.flush()
            return client

        yield make


def statuses(client: Http2, streams: int, within_seconds: float) -> tuple[list[int], int]:
    """The status of each answer that begins in time, and how many streams the server resets."""
    found: list[int] = []
    resets = 0
    end = time.monotonic() + within_seconds
    client.raw.socket.settimeout(within_seconds)
    with contextlib.suppress(TimeoutError, ConnectionError):
        while time.monotonic() < end and resets < streams:
            for event in client.events():
                if isinstance(event, h2.events.ResponseReceived):
                    found.append(int(dict(event.headers)[b":status"]))
                elif isinstance(event, h2.events.StreamReset):
                    resets += 1
    return found, resets


def test_answers_in_closed_windows_stay_within_the_callers_memory_and_others_are_served(
    server: RunningServer, connect: Connect
) -> None:
    pid = get(server, "/pid").json()["pid"]
    before = memory_mib(pid)
    for _ in range(3):
        client = connect()
        for _ in range(30):
            client.send(client.start("GET", BIG), b"")
    assert all(get(server, "/pid").status == 200 for _ in range(5))
    held = memory_mib(pid) - before
    # 4 MiB, one answer for each thread, and what the connections themselves take; 90 MiB if nothing bounds it.
    assert held < 40


def test_a_stream_that_is_not_read_is_reset_in_time_and_its_connection_goes_on(connect: Connect) -> None:
    client = connect()
    client.send(client.start("GET", BIG), b"")
    found, resets = statuses(client, 1, HANG_SECONDS)
    assert (found, resets) == ([200], 1)
    client.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 65535})
    client.flush()
    assert client.ask("GET", "/pid").status == 200


def test_a_window_that_opens_byte_by_byte_does_not_buy_more_time(connect: Connect) -> None:
    client = connect(window=1)
    stream = client.start("GET", BIG)
    client.send(stream, b"")
    client.raw.socket.settimeout(HANG_SECONDS)
    started = time.monotonic()
    is_reset = False
    # At this pace the answer would take hours, so the limit only ends what hangs.
    while not is_reset and time.monotonic() - started < HANG_SECONDS:
        is_reset = any(isinstance(event, h2.events.StreamReset) for event in client.events())
        if not is_reset:
            client.h2.increment_flow_control_window(1, stream)
            client.flush()
            time.sleep(0.02)
    assert is_reset


def test_a_client_whose_answers_are_cut_again_and_again_loses_its_connection(connect: Connect) -> None:
    client = connect()
    for _ in range(12):
        client.send(client.start("GET", "/repeat/x/1000"), b"")
    client.raw.socket.settimeout(HANG_SECONDS)
    with pytest.raises(ConnectionError):
        client.listen()


def test_unread_answers_over_http_1_count_too_and_end_with_their_connection(server: RunningServer) -> None:
    # More than the kernel's buffers on both sides take in.
    path = f"/repeat/x/{5 * MIB}"
    with contextlib.ExitStack() as stack:
        readers = [Raw(server) for _ in range(3)]
        for raw in readers:
            stack.callback(raw.close)
            raw.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert eventually(lambda: get(server, "/pid").status == 429)
        assert eventually(lambda: get(server, "/pid").status == 200, within_seconds=15)


def test_a_slow_and_polite_reader_gets_its_whole_answer(server: RunningServer, dial: Dial) -> None:
    raw = dial(server)
    raw.socket.setsockopt(1, 8, 16 * 1024)  # SOL_SOCKET, SO_RCVBUF: so that the server sees how slow it is.
    size = 800_000
    raw.send(f"GET /repeat/x/{size} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    received = 0
    while received < size:
        piece = raw.socket.recv(8000)
        assert piece
        received += len(piece)
        time.sleep(0.02)
    raw.close()


def test_bodies_still_come_in_while_a_caller_of_another_address_holds_its_share(
    server: RunningServer, connect: Connect
) -> None:
    client = connect()
    for _ in range(30):
        client.send(client.start("GET", BIG), b"")
    assert eventually(lambda: request(server, "POST", "/store", body=b"x" * MIB).status == 200)
