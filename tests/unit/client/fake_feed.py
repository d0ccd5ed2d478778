"""A fake of the live feed: streams that say what a test wrote, on a clock that only pauses and silence move."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.client.fake_transport import FakeTransport
from vault.client import Request, Response
from vault.client.aio.latch import AsyncLatch
from vault.client.latch import Latch
from vault.client.streaming import WholeStream

Step = bytes | float | Exception | Callable[[], object]
"""What a stream does next: says something, is silent for some seconds, breaks off, or lets the test act."""


class FakeClock:
    """The time of the client. `pauses` has those between two attempts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []
        for module in ("following", "pace", "aio.following"):
            monkeypatch.setattr(f"vault.client.{module}.time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(Latch, "wait", lambda _, seconds: self.pause(seconds))
        monkeypatch.setattr(AsyncLatch, "wait", lambda _, seconds: self.pause_task(seconds))

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    async def pause_task(self, seconds: float) -> None:
        self.pause(seconds)


class FakeStream:
    """One stream. Its script ends with the end of the answer."""

    status = 200

    def __init__(self, clock: FakeClock, script: list[Step]) -> None:
        self.headers: Mapping[str, str] = {"content-type": "text/event-stream"}
        self.is_closed = False
        self._clock = clock
        self._script = script

    def read(self, seconds: float) -> bytes | None:
        while self._script:
            step = self._script.pop(0)
            if isinstance(step, bytes):
                return step
            if isinstance(step, Exception):
                raise step
            if isinstance(step, float):
                self._clock.now += min(step, seconds)
                if step >= seconds:
                    self._script.insert(0, step - seconds)
                    return b""
            else:
                step()
                return b""
        return None

    def interrupt(self) -> None: ...

    def close(self) -> None:
        self.is_closed = True


class FakeFeed(FakeTransport):
    """A server with a feed: each stream is the next of its scripts, an answer, or an error."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.streams: list[FakeStream] = []
        self.asked: list[Request] = []
        self.poll_seconds = 0.0
        """How long each long poll takes."""
        self._clock = clock
        self._scripts: list[list[Step] | Response | Exception] = []

    def on_stream(self, *scripts: list[Step] | Response | Exception) -> FakeFeed:
        """Answer the next requests for a stream with these, each once."""
        self._scripts += scripts
        return self

    def stream(self, request: Request, wait_seconds: float) -> FakeStream | WholeStream:
        self.asked.append(request)
        if request.headers["Accept"].startswith("application/json"):
            assert self.poll_seconds <= wait_seconds
            self._clock.now += self.poll_seconds
            return WholeStream(self.send(request))
        if not self._scripts:
            raise AssertionError("Nobody told the fake of another stream.")
        found = self._scripts.pop(0)
        if isinstance(found, Exception):
            raise found
        if isinstance(found, Response):
            return WholeStream(found)
        self.streams.append(FakeStream(self._clock, found))
        return self.streams[-1]

    @property
    def ways(self) -> list[str]:
        """How each request asked for the feed: `stream` or `poll`, and after which cursor."""
        return [_way(request) for request in self.asked]


def _way(request: Request) -> str:
    if request.headers["Accept"].startswith("text/event-stream"):
        return f"stream {request.headers.get('Last-Event-ID', '')}".strip()
    return f"poll {request.path.partition('&after=')[2]}".strip()


def event(type_: str, cursor: str = "", /, **members: Any) -> bytes:
    """One event as the server sends it."""
    told = {"type": type_, **({"cursor": cursor} if cursor else {}), **members}
    identity = f"id: {cursor}\n" if cursor else ""
    return f"event: {type_}\n{identity}data: {json.dumps(told)}\n\n".encode()


def hello(cursor: str = "c0", ping_seconds: int = 25) -> bytes:
    return b"retry: 3000\n\n" + event("hello", cursor, ping_seconds=ping_seconds)


def changed(cursor: str, name: str | None = "prod", revision: int = 2, **members: Any) -> bytes:
    return event("change", cursor, **change_of(name, revision, **members))


def change_of(name: str | None = "prod", revision: int = 2, **members: Any) -> dict[str, Any]:
    """The members of a change besides its type and cursor."""
    return {
        "kind": "write",
        "environment": {"id": "e1", "name": name},
        "revision": revision,
        "affects": [name],
    } | members
