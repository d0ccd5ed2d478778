"""Bodies come in whole, in time, and within one budget."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from tests.support.patience import HANG_SECONDS
from tests.unit.server.lanes import MUCH, callers
from vault.asgi import ClientGone, Message, Receive, Refusal
from vault.server.callers import Slot
from vault.server.intake import Intake
from vault.server.memory import MemoryBudget


def sender(pieces: Iterable[bytes | None], *, stall: bool = False) -> Receive:
    """A client that sends `pieces`; None leaves, and `stall` never ends."""
    messages: list[Message] = [
        {"type": "http.disconnect"} if piece is None else {"type": "http.request", "body": piece, "more_body": True}
        for piece in pieces
    ]
    if messages and not stall:
        messages[-1]["more_body"] = False

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    return receive


INTAKE = Intake(timeout_seconds=HANG_SECONDS)
IMPATIENT = Intake(timeout_seconds=0.05)
"""For clients that stall. A busy machine may hold up any other client for longer."""


def new_slot(buffered: int = MUCH) -> Slot:
    return callers(9, worker_bytes=buffered).slot("a", MemoryBudget(MUCH))


def held(slot: Slot) -> int:
    return slot.caller.budget.held_bytes


def refusal_of(
    receive: Receive, limit: int = 100, announced: int = 0, slot: Slot | None = None, intake: Intake = INTAKE
) -> Refusal:
    slot = slot or new_slot()
    with pytest.raises(Refusal) as raised:
        asyncio.run(intake.read(receive, slot, limit, announced))
    assert held(slot) == 0
    return raised.value


def test_a_body_in_pieces_comes_out_whole_and_is_charged_until_the_place_is_left() -> None:
    slot = new_slot()
    assert asyncio.run(INTAKE.read(sender([b"a", b"", b"bc"]), slot, 100)) == b"abc"
    assert held(slot) == 3
    slot.release()
    assert held(slot) == 0


def test_a_body_of_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    assert asyncio.run(INTAKE.read(sender([b"ab", b"cd"]), new_slot(), 4)) == b"abcd"
    assert refusal_of(sender([b"ab", b"cd", b"e"]), 4).status == 413


def test_surplus_is_read_to_its_end_before_the_refusal() -> None:
    left = [b"x"] * 50
    receive = sender(left)
    assert refusal_of(receive, 4).status == 413
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(receive(), 0.01))


def test_a_stalled_body_is_too_slow_and_a_stalled_surplus_too_large() -> None:
    assert refusal_of(sender([b"a"], stall=True), intake=IMPATIENT).status == 408
    assert refusal_of(sender([b"ab"], stall=True), 1, intake=IMPATIENT).status == 413


def test_a_client_that_leaves_is_gone_and_charged_no_longer() -> None:
    slot = new_slot()
    with pytest.raises(ClientGone):
        asyncio.run(INTAKE.read(sender([b"a", None]), slot, 100))
    assert held(slot) == 0


def test_a_cancelled_upload_is_charged_no_longer() -> None:
    slot = new_slot()

    async def leave() -> None:
        upload = asyncio.create_task(INTAKE.read(sender([b"a"], stall=True), slot, 100))
        await asyncio.sleep(0.01)
        assert held(slot) == 1
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload

    asyncio.run(leave())
    assert held(slot) == 0


def test_the_body_that_passes_the_budget_is_refused_with_retry_after() -> None:
    refusal = refusal_of(sender([b"abc", b"def"]), 10_000, slot=new_slot(buffered=5))
    assert (refusal.status, refusal.retry_after_seconds, refusal.cause) == (503, 1, "buffers_full")


def test_of_a_body_that_is_announced_too_large_no_byte_is_kept() -> None:
    slot, kept = new_slot(), []
    messages = [{"type": "http.request", "body": b"x" * 10, "more_body": more} for more in (True, True, False)]

    async def receive() -> Message:
        kept.append(held(slot))
        return messages.pop(0)

    assert refusal_of(receive, 29, announced=30, slot=slot).status == 413
    assert kept == [0, 0, 0]


def test_a_body_that_announces_less_than_it_sends_is_counted_all_the_same() -> None:
    assert refusal_of(sender([b"ab", b"cd", b"e"]), 4, announced=3).status == 413
