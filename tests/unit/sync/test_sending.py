"""The task that sends to one client: order, cursors at their rhythm, and nothing after the end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine

import pytest

from tests.support.patience import HANG_SECONDS
from vault.sync import sending
from vault.sync.endings import CREDENTIAL_ENDED
from vault.sync.listener import Ended, Listener
from vault.sync.messages import Frame, Notice, fresh_cursor
from vault.sync.sending import Sender


class Wire:
    """A channel that notes what is said. `at` is called after each message."""

    kind = "stream"

    def __init__(self, quiet_seconds: float = math.inf) -> None:
        self.quiet_seconds = quiet_seconds
        self.said: list[str] = []
        self.heard = asyncio.Event()
        self.at: dict[int, Coroutine[object, object, None]] = {}

    async def say(self, message: Frame | Notice) -> None:
        self.said.append(message.text)
        self.heard.set()
        await asyncio.sleep(0)
        step = self.at.pop(len(self.said), None)
        if step is not None:
            await step

    async def keep_alive(self) -> None:
        self.said.append(":")
        self.heard.set()


def frame(number: int) -> Frame:
    return Frame(f"e{number}", f"C{number}", {"type": "change"})


async def until(wire: Wire, count: int) -> None:
    while len(wire.said) < count:
        wire.heard.clear()
        await asyncio.wait_for(wire.heard.wait(), HANG_SECONDS)


async def told(listener: Listener, wire: Wire, count: int) -> None:
    """Run a sender until it has said `count` messages, then end the stream."""
    task = asyncio.create_task(Sender(listener, wire, lambda seq: f"S{seq}").run())
    await until(wire, count)
    listener.end(CREDENTIAL_ENDED)
    with pytest.raises(Ended):
        await asyncio.wait_for(task, HANG_SECONDS)


def test_a_subscription_is_answered_before_its_first_frame() -> None:
    async def test() -> None:
        listener, wire, source = Listener(), Wire(), object()

        async def subscribe() -> None:
            await asyncio.sleep(0.01)
            listener.listen_to(source, 0, lambda: None, fresh_cursor("A"))
            listener.deliver(source, [frame(1), frame(2)], 2, more=False)

        task = asyncio.create_task(subscribe())
        await told(listener, wire, 3)
        await task
        assert wire.said == [fresh_cursor("A").text, frame(1).text, frame(2).text]

    asyncio.run(test())


def test_nothing_is_sent_after_the_end_even_of_what_was_taken_already() -> None:
    async def test() -> None:
        listener, wire, source = Listener(), Wire(), object()

        async def revoke() -> None:
            listener.end(CREDENTIAL_ENDED)

        wire.at[1] = revoke()
        listener.listen_to(source, 0, lambda: None)
        listener.deliver(source, [frame(1), frame(2), frame(3)], 3, more=False)
        with pytest.raises(Ended):
            await asyncio.wait_for(Sender(listener, wire, str).run(), HANG_SECONDS)
        assert wire.said == [frame(1).text]

    asyncio.run(test())


def test_the_rest_of_an_older_subscription_is_not_sent() -> None:
    async def test() -> None:
        listener, wire, old, new = Listener(), Wire(), object(), object()

        async def change() -> None:
            listener.listen_to(new, 9, lambda: None, fresh_cursor("N"))
            listener.deliver(new, [frame(10)], 10, more=False)

        wire.at[1] = change()
        listener.listen_to(old, 0, lambda: None)
        listener.deliver(old, [frame(1), frame(2)], 2, more=False)
        await told(listener, wire, 3)
        assert wire.said == [frame(1).text, fresh_cursor("N").text, frame(10).text]

    asyncio.run(test())


def test_a_quiet_stream_shows_that_it_lives_and_its_cursor_stays_young(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        monkeypatch.setattr(sending, "CURSOR_SECONDS", 0.05)
        listener, wire, source = Listener(), Wire(quiet_seconds=0.02), object()
        listener.listen_to(source, 0, lambda: None)
        listener.deliver(source, [], 7, more=False)
        await told(listener, wire, 8)
        assert set(wire.said) == {":", fresh_cursor("S7").text}

    asyncio.run(test())


def test_there_is_no_young_cursor_in_the_middle_of_a_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        monkeypatch.setattr(sending, "CURSOR_SECONDS", 0.02)
        listener, wire, source = Listener(), Wire(quiet_seconds=0.03), object()
        listener.listen_to(source, 0, lambda: None)
        listener.deliver(source, [frame(1)], 1, more=True)
        await told(listener, wire, 5)
        assert wire.said == [frame(1).text, ":", ":", ":", ":"]

    asyncio.run(test())
