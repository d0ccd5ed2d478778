"""WebSocket clients that flood, do not read, or have vanished: each loses its socket, and the others are served."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.server.conftest import LIVE, LIVE_LIMITS, Raw, get
from tests.integration.server.socket_client import CLOSE, PING, PONG, TEXT, SocketClient, handshake, masked
from tests.integration.server.test_limits import memory_mib
from tests.support.patience import HANG_SECONDS, eventually
from tests.support.serving import RunningServer
from tests.support.undertaker import watched

STRANGER = "127.0.0.66"
SILENT_SECONDS = 1.0

_VANISHING = """
import sys
from pathlib import Path
from tests.integration.server.socket_client import SocketClient

class Server:
    tls = True
    port = int(sys.argv[1])
    def context(self):
        import ssl
        return ssl.create_default_context(cafile=sys.argv[2])

client = SocketClient(Server())
print(client.accepted.headers["x-request-id"], flush=True)
while True:
    opcode, payload = client.next()
    if opcode == 9:
        client.send(10, payload)
        print("pong", flush=True)
"""


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The same as `live`, with a ping each fifth of a second."""
    times = {"TOY_PING_SECONDS": "0.2", "TOY_SILENT_SECONDS": str(SILENT_SECONDS)}
    with RunningServer(tmp_path_factory.mktemp("brief"), LIVE_LIMITS | times, factory=LIVE) as running:
        yield running


# -- Floods --


def arrived(client: SocketClient) -> list[int]:
    """The opcodes of all frames until the close frame, whose code comes last."""
    found: list[int] = []
    while True:
        frame = client.next()
        if frame.opcode == CLOSE:
            return [*found, frame.code]
        found.append(frame.opcode)


FLOODS = {
    "pings": masked(PING, b"x" * 125),
    "pongs": masked(PONG, b"x" * 125),
    "short texts": masked(TEXT, b"x"),
    "empty texts": masked(TEXT, b""),
    "empty fragments": masked(0, b"", first=0),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_of_frames_closes_its_socket_and_holds_little(live: RunningServer, kind: str) -> None:
    pid = get(live, "/pid").json()["pid"]
    other = SocketClient(live)
    before = memory_mib(pid)
    clients = [SocketClient(live) for _ in range(10)]
    for client in clients:
        if kind == "empty fragments":
            client.send(TEXT, b"", first=0)
        with contextlib.suppress(OSError):
            client.raw.send(FLOODS[kind] * 20_000)
    held = memory_mib(pid) - before
    for client in clients:
        found = arrived(client)
        assert found[-1] == 1008
        # The answers to what was allowed, and none to the rest.
        assert len(found) <= 62
        client.close()
    assert other.echo("still here") == "still here"
    other.close()
    assert held < 20


def test_a_client_at_the_allowed_pace_is_not_closed(live: RunningServer) -> None:
    client = SocketClient(live)
    for number in range(60):
        assert client.echo(str(number)) == str(number)
        time.sleep(0.02)
    client.close()


def test_a_client_that_does_not_read_its_messages_holds_little_and_is_cut_off(live: RunningServer) -> None:
    pid = get(live, "/pid").json()["pid"]
    before = memory_mib(pid)
    slow = []
    for _ in range(20):
        raw = Raw(live, source=STRANGER)
        raw.send(handshake("/burst"))
        slow.append(raw)
    other = SocketClient(live)
    assert all(other.echo("x") == "x" for _ in range(5))
    # 64 MiB each, were it not bounded.
    assert memory_mib(pid) - before < 40
    assert eventually(lambda: live.log.count('"route": "/burst"') >= 20, HANG_SECONDS)
    assert other.echo("x") == "x"
    other.close()
    for raw in slow:
        raw.close()


def test_more_bytes_than_may_wait_before_the_handshake_is_answered_are_left_with_the_client(
    live: RunningServer,
) -> None:
    pid = get(live, "/pid").json()["pid"]
    before = memory_mib(pid)
    raws = [Raw(live, source=STRANGER) for _ in range(3)]
    for raw in raws:
        raw.send(handshake("/undecided"))
        raw.socket.settimeout(0.3)
        with contextlib.suppress(TimeoutError, OSError):
            raw.socket.sendall(masked(TEXT, b"x" * 4000) * 4000)
    held = memory_mib(pid) - before
    for raw in raws:
        raw.close()
    # 16 MB each, were it not bounded.
    assert held < 15


# -- Half-open connections --


def test_clients_of_whom_anything_arrives_stay(brief: RunningServer) -> None:
    """One answers pings. From the other only a byte arrives now and then."""
    answering, slow = SocketClient(brief), SocketClient(brief)
    for byte in masked(TEXT, b"it lives"):
        slow.raw.send(bytes((byte,)))
        # A ping comes each fifth of a second, so this takes longer than a client may be silent.
        frame = answering.next()
        assert frame == (PING, b"")
        answering.send(PONG, frame.payload)
    assert answering.echo("still here") == "still here"
    while (frame := slow.next()).opcode == PING:
        pass
    assert frame == (TEXT, b"it lives")
    answering.close()
    slow.close()


def test_a_client_that_says_nothing_is_cut_off(brief: RunningServer) -> None:
    client = SocketClient(brief)
    with pytest.raises(ConnectionError):
        client.code()
    client.close()


def test_a_client_that_was_stopped_is_cut_off(brief: RunningServer) -> None:
    command = [sys.executable, "-c", _VANISHING, str(brief.port), str(brief.ca_file)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    process = watched(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    try:
        assert process.stdout is not None
        request_id = process.stdout.readline().strip()
        assert process.stdout.readline() == "pong\n"
        process.send_signal(signal.SIGSTOP)
        assert eventually(lambda: request_id in brief.log, HANG_SECONDS)
    finally:
        process.kill()
        process.communicate()


# -- Limits --


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with few connections and few calls in progress, that would wait for slow readers for ten minutes."""
    limits = LIVE_LIMITS | {
        "STRONGROOM_MAX_CONNECTIONS": "12",
        "STRONGROOM_MAX_REQUESTS_IN_FLIGHT_PER_CALLER": "3",
        "STRONGROOM_BODY_TIMEOUT_SECONDS": "600",
        "TOY_UNACKNOWLEDGED_MILLISECONDS": "500",
    }
    with RunningServer(tmp_path_factory.mktemp("strict"), limits, factory=LIVE) as running:
        yield running


def test_the_kernel_ends_a_connection_that_acknowledges_nothing(strict: RunningServer) -> None:
    raw = Raw(strict)
    raw.send(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert eventually(lambda: '"route": "/endless"' in strict.log, HANG_SECONDS)
    raw.close()


def test_sockets_whose_caller_is_not_proven_are_calls_in_progress(strict: RunningServer) -> None:
    pending = [SocketClient(strict, "/sync") for _ in range(3)]
    raw = Raw(strict)
    raw.send(handshake("/sync"))
    reply = raw.reply()
    assert (reply.status, reply.json()["code"], reply.headers["retry-after"]) == (429, "too_many_requests", "1")
    raw.close()
    for client in pending:
        client.close()
    assert eventually(lambda: _is_served(strict))
    proven = [SocketClient(strict, "/proven") for _ in range(8)]
    assert _is_served(strict)
    for client in proven:
        client.close()


def test_sockets_are_connections_and_a_new_one_does_not_push_them_out(strict: RunningServer) -> None:
    assert eventually(lambda: get(strict, "/open-calls").json()["open"] == 1)
    clients = [SocketClient(strict, "/proven") for _ in range(12)]
    assert not _is_served(strict)
    assert [client.echo("x") for client in clients] == ["x"] * 12
    clients.pop().close()
    assert eventually(lambda: _is_served(strict))
    for client in clients:
        client.close()


def _is_served(server: RunningServer) -> bool:
    try:
        return get(server, "/open").status == 200
    except OSError:
        return False
