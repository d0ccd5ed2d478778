"""An independent WebSocket client against the server: the package `websockets`.

It is its client for asyncio. Its client with threads lost the request of about one in 200 connections over TLS on
Python 3.11, and this one lost none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.typing import Subprotocol

from tests.integration.server.conftest import LIVE, LIVE_LIMITS
from tests.support.patience import HANG_SECONDS
from tests.support.serving import RunningServer

Test = Callable[[ClientConnection], Awaitable[None]]
Run = Callable[..., None]


@pytest.fixture(scope="module")
def pinging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the live toy, which pings often."""
    limits = LIVE_LIMITS | {"TOY_PING_SECONDS": "0.2"}
    with RunningServer(tmp_path_factory.mktemp("clients"), limits, factory=LIVE) as running:
        yield running


@pytest.fixture
def run(pinging: RunningServer) -> Run:
    """Runs a test with a socket that has the client's own defaults: it offers compression, and pings."""

    def with_socket(test: Test, path: str = "/mirror", *subprotocols: str) -> None:
        address = f"wss://localhost:{pinging.port}{path}"
        offered = [Subprotocol(name) for name in subprotocols] or None

        async def opened() -> None:
            context = pinging.context()
            async with connect(address, ssl=context, subprotocols=offered, open_timeout=HANG_SECONDS) as socket:
                await test(socket)

        asyncio.run(opened())

    return with_socket


def test_messages_come_back_and_nothing_is_negotiated(run: Run) -> None:
    async def talk(socket: ClientConnection) -> None:
        assert socket.subprotocol is None
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
        for message in ("", "x" * 4096, "ü" * 2048, b"", b"\0" * 4096):
            await socket.send(message)
            assert await socket.recv() == message

    run(talk, "/mirror", "one", "two")


def test_fragments_come_back_as_one_message(run: Run) -> None:
    async def talk(socket: ClientConnection) -> None:
        await socket.send(["one ", "", "two"])
        assert await socket.recv() == "one two"

    run(talk)


def test_both_sides_answer_pings(run: Run) -> None:
    async def talk(socket: ClientConnection) -> None:
        assert await (await socket.ping()) > 0.0
        # The server's pings are answered meanwhile, or it would not go on.
        await socket.send("still here")
        assert await socket.recv() == "still here"

    run(talk)


def test_a_client_that_closes_gets_its_code_back(run: Run) -> None:
    async def talk(socket: ClientConnection) -> None:
        await socket.close(4000, "bye")
        assert socket.close_code == 4000

    run(talk)


def test_a_server_that_closes_tells_its_code(run: Run) -> None:
    async def talk(socket: ClientConnection) -> None:
        await socket.send(b"binary")
        with pytest.raises(ConnectionClosedError) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd_then_sent) == (1003, True)

    run(talk, "/sync")


@pytest.mark.parametrize("sizes", [[4097], [4096, 1], [1] * 200])
def test_what_is_too_much_is_closed_with_its_code(run: Run, sizes: list[int]) -> None:
    async def talk(socket: ClientConnection) -> None:
        async def send_all() -> None:
            # The server may close in the middle.
            await socket.send(["x" * size for size in sizes])
            await socket.recv()

        with pytest.raises(ConnectionClosedError) as closed:
            await send_all()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == (1009 if sum(sizes) > 4096 else 1008)

    run(talk)


def test_a_refusal_is_read_by_the_client(run: Run) -> None:
    async def never(_socket: ClientConnection) -> None:
        raise AssertionError

    with pytest.raises(InvalidStatus) as refused:
        run(never, "/refuse")
    response = refused.value.response
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert b'"not_authenticated"' in response.body


def test_a_server_that_ends_the_socket_ends_the_loop_over_it(run: Run) -> None:
    async def talk(socket: ClientConnection) -> None:
        assert [message async for message in socket] == ["one", "two"]
        with pytest.raises(ConnectionClosedOK):
            await socket.recv()

    run(talk, "/says-goodbye")
