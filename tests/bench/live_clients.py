"""Clients for `live.py`: thousands of connections in one process, with an event loop and nothing more.

Each function runs in a process of its own and speaks with its starter through a pipe: first "ready", then, after the
starter has sent anything, what it has seen. The clock is `time.monotonic`, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import random
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from tests.bench.clients import Address, request
from tests.support.websocket_frames import CLOSE, PING, PONG, TEXT, FrameParser, handshake, masked, text

_SPAWN = multiprocessing.get_context("spawn")
_AT_ONCE = 32
"""Connections that are opened at the same time: more would wait in the server's queue and time out."""
_OPEN_SECONDS = 60.0
_SOURCES = 16
"""Addresses of this machine (127.0.0.1, 127.0.0.2, …) that connections come from, so that ports do not run out."""


@contextlib.contextmanager
def crowd(work: Callable[..., None], *arguments: Any) -> Iterator[Connection]:
    """Run `work` in another process. The block begins when it is ready."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=work, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        assert ours.recv() == "ready"
        yield ours
    finally:
        ours.close()
        process.join(30)
        process.kill()


def watch(pipe: Connection, address: Address, token: str, subscription: dict[str, Any], count: int) -> None:
    """Follow with `count` WebSockets. Ends with a list of (revision, seconds on the clock) for each `change`."""
    asyncio.run(_watch(pipe, address, token, subscription, count))


def poll(pipe: Connection, address: Address, token: str, path: str, count: int) -> None:
    """Read `path` with its ETag once a second on `count` connections. Ends with the answers by status."""
    asyncio.run(_poll(pipe, address, request("GET", path, token=token)[:-2], count))


class _Watcher(asyncio.Protocol):
    """One WebSocket."""

    def __init__(self, secret: str, subscription: dict[str, Any], heard: list[tuple[int, float]]) -> None:
        self.is_open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._secret = secret
        self._subscription = subscription
        self._heard = heard
        self._head = b""
        self._parser: FrameParser | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(handshake("/api/v1/sync", self._secret))

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if self._parser is None:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                self._fail(f"The server answered {head[:40]!r}: {data[:300]!r}")
                return
            self._parser = FrameParser()
        for frame in self._parser.feed(data):
            if frame.opcode == PING:
                self._transport.write(masked(PONG, frame.payload))
            elif frame.opcode == CLOSE:
                self._fail(f"The server closed with {frame.code}: {frame.payload[2:]!r}")
            elif frame.opcode == TEXT:
                self._take(frame.json(), now)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"The connection ended: {error!r}")

    def _take(self, message: dict[str, Any], now: float) -> None:
        if message["type"] == "hello":
            self._transport.write(text({"type": "subscribe", **self._subscription}))
        elif message["type"] == "cursor" and not self.is_open.done():
            self.is_open.set_result(None)
        elif message["type"] == "change":
            self._heard.append((message["revision"], now))

    def _fail(self, why: str) -> None:
        if not self.is_open.done():
            self.is_open.set_exception(RuntimeError(why))
        # Shown by the starter, because then a change is missing.
        self._heard.append((-1, 0.0))


async def _watch(pipe: Connection, address: Address, token: str, subscription: dict[str, Any], count: int) -> None:
    heard: list[tuple[int, float]] = []
    context = _context(address)
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> None:
        async with gate, asyncio.timeout(_OPEN_SECONDS):
            source = (f"127.0.0.{1 + number % _SOURCES}", 0)
            _, watcher = await loop.create_connection(
                lambda: _Watcher(token, subscription, heard), "127.0.0.1", address.port,
                ssl=context, server_hostname="localhost", local_addr=source, ssl_handshake_timeout=_OPEN_SECONDS,
            )  # fmt: skip
            await watcher.is_open

    await asyncio.gather(*(one(number) for number in range(count)))
    pipe.send("ready")
    while True:
        if await _order(pipe) is None:
            return
        pipe.send(heard[:])
        heard.clear()


async def _poll(pipe: Connection, address: Address, head: bytes, count: int) -> None:
    context, loop = _context(address), asyncio.get_running_loop()
    gate = asyncio.Semaphore(_AT_ONCE)
    answers: Counter[int] = Counter()

    async def one(opened: asyncio.Event) -> None:
        etag, due = "", 0.0
        while True:
            # The server closes a connection that was silent for five seconds, as on a busy machine.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                async with gate:
                    reader, writer = await asyncio.open_connection(
                        "127.0.0.1", address.port, ssl=context, server_hostname="localhost",
                        ssl_handshake_timeout=_OPEN_SECONDS,
                    )  # fmt: skip
                while True:
                    etag, status = await _exchange(reader, writer, head, etag)
                    answers[status] += 1
                    opened.set()
                    # Late ones do not catch up: a client asks once a second, and then again.
                    due = max(due + 1.0, loop.time() + random.random() * (not due))
                    await asyncio.sleep(due - loop.time())

    events = [asyncio.Event() for _ in range(count)]
    tasks = [asyncio.create_task(one(event)) for event in events]
    await asyncio.gather(*(event.wait() for event in events))
    answers.clear()
    pipe.send("ready")
    await _order(pipe)
    pipe.send(dict(answers))
    for task in tasks:
        task.cancel()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, etag: str
) -> tuple[str, int]:
    condition = f"If-None-Match: {etag}\r\n" if etag else ""
    writer.write(head + condition.encode() + b"\r\n")
    answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in answer.split("\r\n")[1:])}
    if length := int(fields.get("content-length", "0")):
        await reader.readexactly(length)
    return fields.get("etag", etag), int(answer[9:12])


async def _order(pipe: Connection) -> object | None:
    """Wait for the starter, and let the loop go on meanwhile. None when it has left."""
    loop, came = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pipe.fileno(), came.set)
    try:
        await came.wait()
        order: object = pipe.recv()
        return order
    except EOFError:
        return None
    finally:
        loop.remove_reader(pipe.fileno())


def _context(address: Address) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(address.ca_file))
