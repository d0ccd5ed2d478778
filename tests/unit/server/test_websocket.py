"""One WebSocket on a line that is not real: its timers, what it holds, and what its application is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.integration.server.socket_client import CLOSE, PING, TEXT, masked
from tests.support.patience import HANG_SECONDS
from vault.asgi import ClientGone, Headers, Message
from vault.server import websocket
from vault.server.websocket import Socket

Test = Callable[["Line", Socket], Awaitable[None]]
PONG_FRAME, PING_FRAME = b"\x8a\x00", b"\x89\x00"


class Line:
    """Remembers what the socket does with its connection."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.unsent = 0
        self.is_reading = True
        self.causes: list[str] = []
        self.has_hung_up = False
        self.last_active_seconds = asyncio.get_running_loop().time()

    def unsent_bytes(self) -> int:
        return self.unsent

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def write_answer(self, status: int, _headers: Headers, body: bytes) -> None:
        self.written.append(b"%d " % status + body)

    def set_reading(self, *, wanted: bool) -> None:
        self.is_reading = wanted

    def hang_up(self) -> None:
        self.has_hung_up = True

    def give_up(self, cause: str) -> None:
        self.causes.append(cause)


def on_a_line(test: Test, *, is_accepted: bool = True) -> None:
    """Run a test with a socket that is accepted already."""

    async def run() -> None:
        line = Line()
        socket = Socket(line, b"key", asyncio.get_running_loop())
        assert await socket.receive() == {"type": "websocket.connect"}
        if is_accepted:
            await socket.send({"type": "websocket.accept"})
            line.written.clear()
        await test(line, socket)
        socket.feed_eof()

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_a_client_that_does_not_read_gets_no_pongs_and_no_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "PING_SECONDS", 0.02)

    async def ping(line: Line, socket: Socket) -> None:
        line.unsent = 4097
        socket.feed_data(masked(PING, b""))
        await asyncio.sleep(0.1)
        assert line.written == []
        line.unsent = 0
        socket.feed_data(masked(PING, b""))
        await until(lambda: PING_FRAME in line.written)
        assert line.written[0] == PONG_FRAME

    on_a_line(ping)


def test_a_client_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "PING_SECONDS", 0.02)
    monkeypatch.setattr(websocket, "SILENT_SECONDS", 0.1)

    async def wait(line: Line, _socket: Socket) -> None:
        await until(lambda: line.causes == ["silent"])
        assert line.written.count(PING_FRAME) >= 1

    on_a_line(wait)


def test_a_client_that_never_answers_a_close_frame_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "_GOODBYE_SECONDS", 0.05)

    async def close(line: Line, socket: Socket) -> None:
        await socket.send({"type": "websocket.close", "code": 4401})
        assert await socket.receive() == {"type": "websocket.disconnect", "code": 4401}
        assert not line.has_hung_up
        await until(lambda: line.has_hung_up)

    on_a_line(close)


def test_a_client_that_answers_a_close_frame_is_hung_up_on_at_once() -> None:
    async def close(line: Line, socket: Socket) -> None:
        await socket.send({"type": "websocket.close", "code": 4401, "reason": "ended"})
        assert line.written == [b"\x88\x07\x11\x31ended"]
        socket.feed_data(masked(CLOSE, b""))
        assert line.has_hung_up
        assert (await socket.receive())["code"] == 4401

    on_a_line(close)


def test_messages_that_nobody_takes_stop_the_reading_and_taking_them_resumes_it() -> None:
    async def fill(line: Line, socket: Socket) -> None:
        socket.feed_data(b"".join(masked(TEXT, b"%d" % number) for number in range(20)))
        assert not line.is_reading
        found = [(await socket.receive())["text"] for _ in range(20)]
        assert found == [str(number) for number in range(20)]
        assert line.is_reading

    on_a_line(fill)


def test_bytes_before_the_handshake_is_answered_are_bounded_and_read_after_it() -> None:
    async def early(line: Line, socket: Socket) -> None:
        socket.feed_data(masked(TEXT, b"x" * 4000))
        assert line.is_reading
        socket.feed_data(masked(TEXT, b"x" * 4000) * 2)
        held = line.is_reading
        await socket.send({"type": "websocket.accept"})
        assert (held, line.is_reading) == (False, True)
        assert [len((await socket.receive())["text"]) for _ in range(3)] == [4000] * 3

    on_a_line(early, is_accepted=False)


def test_nothing_can_be_sent_after_the_end_and_the_end_is_told_again() -> None:
    async def lose(_line: Line, socket: Socket) -> None:
        socket.feed_data(masked(TEXT, b"last words"))
        socket.feed_eof()
        assert (await socket.receive())["text"] == "last words"
        for _ in range(2):
            assert await socket.receive() == {"type": "websocket.disconnect", "code": 1006}
        with pytest.raises(ClientGone):
            await socket.send({"type": "websocket.send", "text": "x"})
        await socket.send({"type": "websocket.close"})

    on_a_line(lose)


def test_a_client_that_leaves_before_it_is_accepted_cannot_be_accepted() -> None:
    async def leave(line: Line, socket: Socket) -> None:
        socket.feed_eof()
        for kind in ("websocket.accept", "websocket.http.response.start"):
            with pytest.raises(ClientGone):
                await socket.send({"type": kind})
        assert line.written == []

    on_a_line(leave, is_accepted=False)


def test_an_application_that_waits_learns_of_a_message_and_of_the_end() -> None:
    async def wait(_line: Line, socket: Socket) -> None:
        arriving: asyncio.Future[Message] = asyncio.ensure_future(socket.receive())
        await asyncio.sleep(0)
        socket.feed_data(masked(TEXT, b"x"))
        assert (await arriving)["text"] == "x"
        arriving = asyncio.ensure_future(socket.receive())
        await asyncio.sleep(0)
        socket.feed_data(masked(CLOSE, b"\x03\xe8"))
        assert await arriving == {"type": "websocket.disconnect", "code": 1000}

    on_a_line(wait)
