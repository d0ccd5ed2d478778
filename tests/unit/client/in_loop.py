"""`AsyncClient` in the clothes of `Client`, so that the same tests run with both: a loop runs each call to its end."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.unit.client.fake_feed import FakeFeed, FakeStream
from tests.unit.client.fake_transport import FakeTransport
from vault.client import AsyncClient, Client, Request, Response
from vault.client.aio.streaming import AsyncWholeStream
from vault.client.streaming import WholeStream


class AsyncFake:
    """A fake server as a transport of `AsyncClient`."""

    def __init__(self, server: FakeTransport) -> None:
        self._server = server

    async def send(self, request: Request) -> Response:
        return self._server.send(request)

    async def close(self) -> None:
        self._server.close()


class AsyncFakeFeed(AsyncFake):
    """A fake server with a feed."""

    def __init__(self, server: FakeFeed) -> None:
        super().__init__(server)
        self._feed = server

    async def stream(self, request: Request, wait_seconds: float) -> AsyncFakeStream | AsyncWholeStream:
        found = self._feed.stream(request, wait_seconds)
        if isinstance(found, WholeStream):
            body = found.read(0)
            return AsyncWholeStream(Response(found.status, found.headers, body or b""))
        return AsyncFakeStream(found)


class AsyncFakeStream:
    """One stream of the fake."""

    def __init__(self, stream: FakeStream) -> None:
        self.status = stream.status
        self.headers = stream.headers
        self._stream = stream

    async def read(self, seconds: float) -> bytes | None:
        found = self._stream.read(seconds)
        # A step of the script may have begun to close the watch.
        await asyncio.sleep(0)
        return found

    def interrupt(self) -> None: ...

    async def close(self) -> None:
        self._stream.close()


class InLoop:
    """Anything of the asynchronous client, without `await`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, inner: Any) -> None:
        self._loop = loop
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return self._dressed(found)
        return lambda *arguments, **named: self._settled(found(*arguments, **named))

    def __iter__(self) -> Iterator[Any]:
        while True:
            try:
                yield self._settled(self._inner.__anext__())
            except StopAsyncIteration:
                return

    def __next__(self) -> Any:
        return next(iter(self))

    def __enter__(self) -> InLoop:
        self._settled(self._inner.__aenter__())
        return self

    def __exit__(self, *error: object) -> None:
        self._settled(self._inner.__aexit__(*error))

    def _settled(self, found: Any) -> Any:
        if not inspect.isawaitable(found):
            return self._dressed(found)
        if self._loop.is_running():
            return self._loop.create_task(cast("Any", found))
        return self._dressed(self._loop.run_until_complete(found))

    def _dressed(self, found: Any) -> Any:
        return InLoop(self._loop, found) if type(found).__module__.startswith("vault.client.aio.") else found


@contextmanager
def in_loop(server: FakeTransport, monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> Iterator[Client]:
    """An `AsyncClient` on a fake server, with pauses that are only noted."""

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("vault.client.aio.caller.asyncio", SimpleNamespace(sleep=sleep))
    transport = AsyncFakeFeed(server) if isinstance(server, FakeFeed) else AsyncFake(server)
    loop = asyncio.new_event_loop()
    try:
        client = AsyncClient("https://vault.test", "srm_t_canary", transport=transport)
        yield cast("Client", InLoop(loop, client))
    finally:
        loop.close()
