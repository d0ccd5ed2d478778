"""The metrics listener under floods: bounded, and it still answers Prometheus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from vault import observe
from vault.server import metrics

MOST = metrics._CONNECTIONS_MOST
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Place:
    """A listener on a free port, and clients of it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.clients: list[Client] = []

    async def connect(self, said: bytes = b"") -> Client:
        client = await asyncio.open_connection("127.0.0.1", self.port)
        client[1].write(said)
        self.clients.append(client)
        return client

    async def ask(self, said: bytes = SCRAPE) -> bytes:
        """Return the whole answer; it is empty if the connection was closed without one."""
        reader, _ = await self.connect(said)
        with contextlib.suppress(ConnectionError):
            return await asyncio.wait_for(reader.read(), 60)
        return b""

    async def open_now(self) -> int:
        """How many of the clients are still connected, once the server has had the time to close some."""
        await asyncio.sleep(0.1)
        return sum(not (reader.at_eof() or reader.exception()) for reader, _ in self.clients)


def run(work: Callable[[Place], Awaitable[None]]) -> None:
    async def main() -> None:
        with metrics.open_listener("127.0.0.1:0") as listener:
            async with metrics.serve_metrics(listener):
                place = Place(listener.getsockname()[1])
                await work(place)
                for _, writer in place.clients:
                    writer.transport.abort()

    asyncio.run(main())


@pytest.fixture(autouse=True)
def _metrics_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "metrics", observe.metrics)


def refused() -> float:
    return float(observe.metrics().refusals.labels("metrics_connections")._value.get())


@pytest.mark.parametrize("said", [b"", b"G", b"GET /metrics HTTP/1.1\r\nHost: x\r\n"])
def test_a_flood_that_sends_no_whole_request_is_bounded_and_a_scrape_is_answered(said: bytes) -> None:
    async def work(place: Place) -> None:
        before = refused()
        for _ in range(5):
            for _ in range(2 * MOST):
                await place.connect(said)
            assert (await place.ask()).startswith(b"HTTP/1.1 200 OK\r\n")
        assert await place.open_now() <= MOST
        assert refused() - before >= 9 * MOST

    run(work)


def test_the_connection_that_was_silent_longest_makes_room() -> None:
    async def work(place: Place) -> None:
        for _ in range(MOST + 1):
            await place.connect()
        assert await place.open_now() == MOST
        assert place.clients[0][0].at_eof() or place.clients[0][0].exception()

    run(work)


def test_connections_that_are_being_answered_are_not_pushed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> bytes:
        await asyncio.sleep(60)
        return b""

    async def work(place: Place) -> None:
        monkeypatch.setattr("vault.server.metrics.asyncio.to_thread", never)
        for _ in range(MOST):
            await place.connect(SCRAPE)
        assert await place.open_now() == MOST
        assert await place.ask() == b""
        assert await place.open_now() == MOST

    run(work)


def test_a_silent_connection_ends_after_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.server.metrics._CONNECTION_SECONDS", 0.2)

    async def work(place: Place) -> None:
        assert await place.ask(b"") == b""

    run(work)


def test_an_answer_that_nobody_reads_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.server.metrics._CONNECTION_SECONDS", 0.2)

    async def large(*_: object) -> bytes:
        return bytes(64 << 20)

    async def work(place: Place) -> None:
        monkeypatch.setattr("vault.server.metrics.asyncio.to_thread", large)
        reader, _ = await place.connect(SCRAPE)
        # The client reads nothing until the server has given up.
        await asyncio.sleep(1)
        total = 0
        with contextlib.suppress(ConnectionError):
            while part := await asyncio.wait_for(reader.read(1 << 20), 60):
                total += len(part)
        assert 0 < total < 64 << 20

    run(work)


def test_a_header_that_is_too_long_is_not_answered() -> None:
    async def work(place: Place) -> None:
        assert await place.ask(b"GET /metrics HTTP/1.1\r\nX: " + bytes(16 << 10)) == b""
        assert (await place.ask()).startswith(b"HTTP/1.1 200")

    run(work)


def test_another_path_is_not_found() -> None:
    async def work(place: Place) -> None:
        assert (await place.ask(b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404")

    run(work)
