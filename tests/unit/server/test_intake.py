"""Bodies come in whole, in time, and within one budget."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from vault.server.intake import Intake, Message, Receive
from vault.server.refusal import ClientGone, Refusal

FLOOR_BYTES = 16 * 1024


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


def make(buffered: int = 10 * FLOOR_BYTES) -> Intake:
    return Intake(buffered_bytes=buffered, timeout_seconds=0.05)


def refusal_of(intake: Intake, receive: Receive, limit: int = 100, announced: int = 0) -> Refusal:
    with pytest.raises(Refusal) as raised:
        asyncio.run(intake.read(receive, limit, announced))
    assert intake.held_bytes == 0
    return raised.value


def test_a_body_in_pieces_comes_out_whole_and_is_charged_until_released() -> None:
    intake = make()
    body = asyncio.run(intake.read(sender([b"a", b"", b"bc"]), 100))
    assert body == b"abc"
    assert intake.held_bytes == FLOOR_BYTES + 3
    intake.release(body)
    assert intake.held_bytes == 0


def test_a_body_of_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    assert asyncio.run(make().read(sender([b"ab", b"cd"]), 4)) == b"abcd"
    assert refusal_of(make(), sender([b"ab", b"cd", b"e"]), 4).status == 413


def test_surplus_is_read_to_its_end_before_the_refusal() -> None:
    left = [b"x"] * 50
    receive = sender(left)
    assert refusal_of(make(), receive, 4).status == 413
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(receive(), 0.01))


def test_a_stalled_body_is_too_slow_and_a_stalled_surplus_too_large() -> None:
    assert refusal_of(make(), sender([b"a"], stall=True)).status == 408
    assert refusal_of(make(), sender([b"ab"], stall=True), 1).status == 413


def test_a_client_that_leaves_is_gone_and_charged_no_longer() -> None:
    intake = make()
    with pytest.raises(ClientGone):
        asyncio.run(intake.read(sender([b"a", None]), 100))
    assert intake.held_bytes == 0


def test_a_cancelled_upload_is_charged_no_longer() -> None:
    intake = make()

    async def leave() -> None:
        upload = asyncio.create_task(intake.read(sender([b"a"], stall=True), 100))
        await asyncio.sleep(0.01)
        assert intake.held_bytes == FLOOR_BYTES + 1
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload

    asyncio.run(leave())
    assert intake.held_bytes == 0


def test_an_upload_costs_something_before_it_sends_anything() -> None:
    intake = make(buffered=2 * FLOOR_BYTES)

    async def three() -> list[object]:
        uploads = [intake.read(sender([], stall=True), 100) for _ in range(3)]
        return list(await asyncio.gather(*uploads, return_exceptions=True))

    outcomes = asyncio.run(three())
    assert [outcome.status for outcome in outcomes if isinstance(outcome, Refusal)] == [408, 408, 503]


def test_the_body_that_passes_the_budget_is_refused_with_retry_after() -> None:
    refusal = refusal_of(make(buffered=FLOOR_BYTES + 5), sender([b"abc", b"def"]), 10_000)
    assert (refusal.status, refusal.retry_after_seconds, refusal.cause) == (503, 1, "buffers_full")


def test_of_a_body_that_is_announced_too_large_no_byte_is_kept() -> None:
    intake, kept = make(), []
    messages = [{"type": "http.request", "body": b"x" * 10, "more_body": more} for more in (True, True, False)]

    async def receive() -> Message:
        kept.append(intake.held_bytes)
        return messages.pop(0)

    assert refusal_of(intake, receive, 29, announced=30).status == 413
    assert kept == [0, 0, 0]


def test_a_body_that_announces_less_than_it_sends_is_counted_all_the_same() -> None:
    assert refusal_of(make(), sender([b"ab", b"cd", b"e"]), 4, announced=3).status == 413
