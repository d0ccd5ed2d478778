"""Lanes and places for unit tests, without a door."""

from __future__ import annotations

import time
from wsgiref.types import WSGIApplication, WSGIEnvironment

from vault.server.bridge import Lane
from vault.server.callers import Callers, Limits, Memory, Slot
from vault.server.memory import MemoryBudget
from vault.server.refusal import Answer

MUCH = 1 << 30


def callers(limit: int, *, worker_bytes: int = MUCH, limits: Limits | None = None) -> Callers:
    """Callers of a lane; without `limits`, one caller may have all that the lane allows."""
    limits = limits or Limits(limit, limit, limit, 1e9)
    return Callers("calls", limits, Memory(MemoryBudget(worker_bytes), MUCH), time.monotonic)


def make_lane(app: WSGIApplication, *, threads: int, limit: int, kind: type[Lane] = Lane, per_caller: int = 0) -> Lane:
    """A lane of `kind` in which one caller may use all threads, or `per_caller` of them."""
    return kind(app, callers(limit), threads=threads, threads_per_caller=per_caller or threads)


def slot_in(lane: Lane, caller: str = "a") -> Slot:
    """A slot for one call of `caller`."""
    return lane.callers.slot(caller, MemoryBudget(MUCH))


async def call(lane: Lane, environ: WSGIEnvironment, caller: str = "a") -> Answer:
    """Make one call, and give its slot back when its answer is there."""
    slot = slot_in(lane, caller)
    try:
        return await lane.run(environ, slot)
    finally:
        slot.release()
