"""What a connection does to its transport; the rest of it is tested on a real server."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from tests.support.patience import HANG_SECONDS
from vault.server.connection import Connection


class Transport:
    """Counts what is unsent, and remembers being closed."""

    def __init__(self, below: Transport | None = None) -> None:
        self.unsent_bytes = 0
        self.closed = self.aborted = False
        self._ssl_protocol = SimpleNamespace(_transport=below)

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True


async def closed(transport: Transport) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while not transport.closed:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def connect(transport: Transport, timeout_seconds: float = HANG_SECONDS) -> Connection:
    loop = asyncio.get_running_loop()
    settings = SimpleNamespace(
        header_timeout_seconds=60, body_timeout_seconds=timeout_seconds, buffered_bytes_per_caller=1
    )
    tasks: set[Any] = set()
    worker = SimpleNamespace(
        loop=loop, settings=settings, cfg=SimpleNamespace(), log=None, asgi=None, guests={}, prove=lambda _guest: None,
        background=lambda work: tasks.add(loop.create_task(work)),
    )  # fmt: skip
    connection = Connection(worker)  # a worker without a process
    connection._header_timer.cancel()
    connection.transport = cast(asyncio.Transport, transport)
    return connection


def test_a_connection_with_nothing_unsent_closes_at_once() -> None:
    async def close() -> None:
        transport = Transport(Transport())
        connect(transport)._close_transport()
        assert transport.closed

    asyncio.run(close())


def test_a_connection_closes_only_when_all_is_sent_also_below_tls() -> None:
    async def close() -> None:
        below = Transport()
        transport = Transport(below)
        below.unsent_bytes = 1000
        connect(transport)._close_transport()
        await asyncio.sleep(0.12)
        assert not transport.closed
        below.unsent_bytes = 0
        await closed(transport)

    asyncio.run(close())


def test_a_connection_that_nobody_reads_closes_in_the_end() -> None:
    async def close() -> None:
        transport = Transport()
        transport.unsent_bytes = 1000
        connect(transport, timeout_seconds=0.05)._close_transport()
        await closed(transport)
        # Otherwise asyncio keeps a plain connection until its client has read everything.
        assert transport.aborted

    asyncio.run(close())
