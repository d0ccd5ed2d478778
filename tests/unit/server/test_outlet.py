"""How long an answer may take to leave, and what happens then."""

from __future__ import annotations

import asyncio

import pytest

from vault.asgi import Message
from vault.server.memory import MemoryBudget
from vault.server.outlet import Outlet
from vault.server.refusal import Answer

LARGE = Answer(200, [], b"x" * 200_000, "/x")


class Slow:
    """A connection that takes some seconds for each message, and has something unsent at the end."""

    budget = MemoryBudget(1)
    is_closed = False

    def __init__(self, seconds: float = 0.0, *, unsent: int = 0, sends: int = 0, is_shared: bool = False) -> None:
        self.is_shared = is_shared
        self.messages: list[Message] = []
        self.cuts = 0
        self._seconds = seconds
        self._unsent = unsent
        self._sends = sends

    async def send(self, message: Message) -> None:
        await asyncio.sleep(self._seconds)
        self.messages.append(message)

    def unsent_bytes(self) -> int:
        self._unsent = max(0, self._unsent - self._sends)
        return self._unsent

    async def cut(self) -> None:
        self.cuts += 1


def deliver(wire: Slow, patience: float, least: int = 10**9, *, is_charged: bool = True) -> bool:
    return asyncio.run(Outlet(patience, least).send(wire.send, LARGE, [], wire, is_charged=is_charged))


def test_an_answer_arrives_whole_and_in_slices() -> None:
    wire = Slow()
    assert deliver(wire, 5.0)
    bodies = [message["body"] for message in wire.messages[1:]]
    assert b"".join(bodies) == LARGE.body
    assert max(map(len, bodies)) == 64 * 1024
    assert [message.get("more_body", False) for message in wire.messages[1:]] == [True, True, True, False]


def test_a_client_that_takes_nothing_is_cut_off() -> None:
    wire = Slow(seconds=60)
    assert not deliver(wire, 0.05)
    assert (wire.cuts, wire.messages) == (1, [])


def test_each_slice_that_is_taken_buys_time_but_not_without_end() -> None:
    # Five messages of 0.15 s each: more than one slice may take, and less than the whole may.
    assert deliver(Slow(seconds=0.15), 0.3, least=200_000)
    # A limit of the whole that is shorter than five slices together.
    wire = Slow(seconds=0.15)
    assert not deliver(wire, 0.3)
    assert wire.cuts == 1


def test_what_is_written_and_never_leaves_is_cut_off_over_http_1_and_given_up_over_http_2() -> None:
    wire = Slow(unsent=1000)
    assert not deliver(wire, 0.1)
    assert wire.cuts == 1
    shared = Slow(unsent=1000, is_shared=True)
    assert deliver(shared, 0.1)
    assert shared.cuts == 0


def test_what_is_written_and_leaves_slowly_is_waited_for() -> None:
    wire = Slow(unsent=1000, sends=100)
    assert deliver(wire, 0.15, least=2000)
    assert wire.unsent_bytes() == 0


def test_an_answer_that_is_charged_to_nobody_has_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.server.outlet._UNCHARGED_SECONDS", 0.05)
    wire = Slow(seconds=60)
    assert not deliver(wire, 60.0, is_charged=False)
    assert wire.cuts == 1
