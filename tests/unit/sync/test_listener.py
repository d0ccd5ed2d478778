"""The end of one stream in the event loop: what it gives to its client, and that it ends at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.support.patience import HANG_SECONDS
from vault.sync.backlog import BACKLOG_MOST
from vault.sync.endings import CREDENTIAL_ENDED, LOCKED, SLOW, Ending
from vault.sync.listener import Ended, Listener
from vault.sync.messages import Frame, fresh_cursor


def frames(*numbers: int) -> list[Frame]:
    return [Frame(f"e{number}", f"C{number}", {"type": "change", "number": number}) for number in numbers]


def numbers(taken: list[Frame]) -> list[Any]:
    return [frame.body["number"] for frame in taken]


def ending(listener: Listener) -> Ending | None:
    return listener.ending


def run(test: Coroutine[object, object, None]) -> None:
    asyncio.run(asyncio.wait_for(test, HANG_SECONDS))


def listening(seq: int = 0) -> tuple[Listener, object, list[str]]:
    """A listener, its source, and what it has asked of it."""
    listener, source, asked = Listener(), object(), list[str]()
    listener.listen_to(source, seq, lambda: asked.append("more"))
    return listener, source, asked


def test_it_waits_for_frames_and_knows_up_to_where_it_has_told() -> None:
    async def test() -> None:
        listener, source, _ = listening(5)
        asyncio.get_running_loop().call_later(0.01, lambda: listener.deliver(source, frames(6, 7), 9, more=False))
        assert listener.seq == 5
        assert numbers(await listener.frames(HANG_SECONDS, source)) == [6, 7]
        assert (listener.seq, listener.is_complete) == (9, True)
        assert await listener.frames(0, source) == []

    run(test())


def test_a_page_without_frames_moves_only_the_place() -> None:
    async def test() -> None:
        listener, source, _ = listening(5)
        listener.deliver(source, [], 9, more=False)
        assert await listener.frames(0, source) == []
        assert listener.seq == 9

    run(test())


def test_the_next_page_is_asked_for_when_this_one_is_taken_and_not_before() -> None:
    async def test() -> None:
        listener, source, asked = listening()
        listener.deliver(source, frames(1, 2), 2, more=True)
        assert asked == []
        await listener.frames(0, source)
        assert (asked, listener.is_complete) == (["more"], False)
        await listener.frames(0, source)
        assert asked == ["more"]

    run(test())


def test_a_full_page_that_shows_nothing_asks_at_once() -> None:
    listener, source, asked = listening()
    listener.deliver(source, [], 200, more=True)
    assert asked == ["more"]


def test_what_waited_is_dropped_at_the_end_and_nothing_comes_after_it() -> None:
    async def test() -> None:
        listener, source, _ = listening()
        ended: list[str] = []
        listener.on_end = lambda: ended.append("ended")
        listener.deliver(source, frames(1), 1, more=False)
        listener.end(CREDENTIAL_ENDED)
        listener.end(LOCKED)
        listener.deliver(source, frames(2), 2, more=False)
        with pytest.raises(Ended) as end:
            await listener.frames(0, source)
        assert (end.value.ending, ended) == (CREDENTIAL_ENDED, ["ended"])
        with pytest.raises(Ended):
            listener.require_open()

    run(test())


def test_an_end_wakes_the_one_that_waits() -> None:
    async def test() -> None:
        listener, source, _ = listening()
        asyncio.get_running_loop().call_later(0.01, listener.end, LOCKED)
        with pytest.raises(Ended):
            await listener.frames(HANG_SECONDS, source)

    run(test())


def test_a_client_that_lets_too_many_environments_wait_is_told_to_resume() -> None:
    listener, source, _ = listening()
    listener.deliver(source, frames(*range(BACKLOG_MOST)), BACKLOG_MOST, more=False)
    assert ending(listener) is None
    listener.deliver(source, frames(0, 1), BACKLOG_MOST + 2, more=False)
    assert ending(listener) is None
    listener.deliver(source, frames(9999), BACKLOG_MOST + 3, more=False)
    assert ending(listener) is SLOW


def test_frames_of_an_older_subscription_are_dropped() -> None:
    async def test() -> None:
        listener, old, _ = listening()
        listener.deliver(old, frames(1), 1, more=False)
        new, notice = object(), fresh_cursor("C")
        listener.listen_to(new, 7, lambda: None, notice)
        listener.deliver(old, frames(2), 2, more=False)
        assert await listener.frames(HANG_SECONDS, old) == []
        assert (listener.source, listener.seq, listener.notice) == (new, 7, notice)
        assert await listener.frames(0, new) == []

    run(test())


def test_a_new_subscription_wakes_the_one_that_waits_for_the_old_one() -> None:
    async def test() -> None:
        listener, old, _ = listening()
        asyncio.get_running_loop().call_later(0.01, lambda: listener.listen_to(object(), 7, lambda: None))
        assert await listener.frames(HANG_SECONDS, old) == []

    run(test())
