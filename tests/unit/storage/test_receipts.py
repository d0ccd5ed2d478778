"""Receipts: nothing is told before the disk has it, and whoever holds one does not wait."""

from __future__ import annotations

import contextvars
import threading

from tests.support.patience import HANG_SECONDS
from vault.storage import hold, when_settled
from vault.storage.spool.receipts import Batch, is_held


def settled(*, is_stored: bool) -> Batch:
    batch = Batch()
    batch.settle(is_stored=is_stored)
    return batch


def told(*receipts: Batch) -> list[bool]:
    """What whoever waits for these is told so far."""
    heard: list[bool] = []
    when_settled(receipts, heard.append)
    return heard


def test_without_receipts_nothing_is_waited_for() -> None:
    assert told() == [True]


def test_all_receipts_are_waited_for() -> None:
    first, second, heard = Batch(), Batch(), list[bool]()
    when_settled([first, second], heard.append)
    second.settle(is_stored=True)
    assert heard == []
    first.settle(is_stored=True)
    assert heard == [True]


def test_one_that_is_lost_is_enough() -> None:
    assert told(settled(is_stored=True), settled(is_stored=False)) == [False]
    assert told(settled(is_stored=False), Batch()) == [False]


def test_a_thread_waits_until_its_batch_is_settled() -> None:
    batch, heard = Batch(), list[bool]()
    thread = threading.Thread(target=lambda: heard.append(batch.wait()))
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    batch.settle(is_stored=False)
    thread.join(HANG_SECONDS)
    assert heard == [False]


def test_receipts_are_held_in_their_own_context_alone() -> None:
    batch, context = Batch(), contextvars.copy_context()
    receipts = context.run(hold)
    assert not is_held(batch)
    assert context.run(is_held, batch)
    assert receipts == [batch]
