"""An independent WebSocket client against the server: the package `websockets`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.integration.server.test_websockets import LIMITS, LIVE
from tests.support.serving import RunningServer

Open = Callable[..., ClientConnection]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the live toy, which pings often."""
    with RunningServer(
        tmp_path_factory.mktemp("clients"), LIMITS | {"TOY_PING_SECONDS": "0.2"}, factory=LIVE
    ) as running:
        yield running


@pytest.fixture
def opened(live: RunningServer) -> Open:
    """Opens sockets with the client's own defaults: it offers compression, and pings."""

    def make(path: str = "/mirror", *subprotocols: str) -> ClientConnection:
        offered = [Subprotocol(name) for name in subprotocols]
        return connect(f"wss://localhost:{live.port}{path}", ssl=live.context(), subprotocols=offered or None)

    return make


def test_messages_come_back_and_nothing_is_negotiated(opened: Open) -> None:
    with opened("/mirror", "one", "two") as socket:
        assert socket.subprotocol is None
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
        for message in ("", "x" * 4096, "ü" * 2048, b"", b"\0" * 4096):
            socket.send(message)
            assert socket.recv() == message


def test_fragments_come_back_as_one_message(opened: Open) -> None:
    with opened() as socket:
        socket.send(["one ", "", "two"])
        assert socket.recv() == "one two"


def test_both_sides_answer_pings(opened: Open) -> None:
    with opened() as socket:
        assert socket.ping().wait(30.0)
        assert socket.latency > 0.0
        # The server's pings have been answered meanwhile, or it would not go on.
        socket.send("still here")
        assert socket.recv() == "still here"


def test_both_sides_close_cleanly(opened: Open) -> None:
    with opened() as socket:
        socket.close(4000, "bye")
        assert (socket.close_code, socket.close_reason) == (4000, "")
    with opened("/sync") as socket:
        socket.send(b"binary")
        with pytest.raises(ConnectionClosedError) as closed:
            socket.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd_then_sent) == (1003, True)


@pytest.mark.parametrize("sizes", [[4097], [4096, 1], [1] * 70])
def test_what_is_too_much_is_closed_with_its_code(opened: Open, sizes: list[int]) -> None:
    with opened() as socket:
        socket.send(["x" * size for size in sizes])
        with pytest.raises(ConnectionClosedError) as closed:
            socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == (1009 if sum(sizes) > 4096 else 1008)


def test_a_refusal_is_read_by_the_client(opened: Open) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened("/refuse")
    response = refused.value.response
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert b'"not_authenticated"' in response.body


def test_a_server_that_ends_the_socket_ends_the_loop_over_it(opened: Open) -> None:
    with opened("/says-goodbye") as socket:
        assert list(socket) == ["one", "two"]
        with pytest.raises(ConnectionClosedOK):
            socket.recv()
