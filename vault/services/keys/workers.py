"""Waits for the workers: no process uses a new key before every live worker can use it.

A worker stores in its row which version of the vault's state it knows, after it has tested the key. A worker that
died is ignored after its lease ends. If it comes back later, the fence stops it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from vault.errors import Unavailable
from vault.model.clock import Clock
from vault.services.own.instance import HOLDS_NOTHING
from vault.storage import Stale, StateRow, Storage, UnitOfWork, WorkerRow

WAIT_SECONDS = 30.0
"""The longest wait for workers: longer than a lease. A worker that has not answered by then is alive and cannot use the
new key.
"""

REQUEST_WAIT_SECONDS = 10.0
"""How long a request waits for the workers. After that it answers 503, and the next one continues."""

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A live worker, the highest version that it has tested, and whether it is locked."""

    host: str
    pid: int
    knows_version: int
    is_locked: bool


class Waiting:
    """Waits until every worker knows what was prepared."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    def workers(self, unit: UnitOfWork) -> tuple[WorkerStatus, ...]:
        """Return the live workers."""
        rows = sorted(unit.workers.living(self._clock()), key=lambda row: (row.host, row.pid))
        return tuple(
            WorkerStatus(row.host, row.pid, row.knows_version, row.state_version == HOLDS_NOTHING) for row in rows
        )

    def for_all(self, seconds: float | None = None) -> None:
        """Return when every live worker knows the present state. Raises `Unavailable` after the time limit."""
        with self._storage.read() as unit:
            state_version = unit.state.get().row_version
        end = time.monotonic() + (WAIT_SECONDS if seconds is None else seconds)
        while True:
            with self._storage.read() as unit:
                behind = self._behind(unit, state_version)
            if not behind:
                return
            if time.monotonic() >= end:
                raise _not_yet(behind)
            time.sleep(_POLL_SECONDS)

    def check(self, unit: UnitOfWork, state: StateRow) -> None:
        """Raise `Stale` if a live worker does not know all of `state`, which this transaction has locked."""
        if self._behind(unit, state.row_version):
            raise Stale("workers")

    def _behind(self, unit: UnitOfWork, state_version: int) -> list[WorkerRow]:
        return [row for row in unit.workers.living(self._clock()) if row.state_version < state_version]


def _not_yet(behind: list[WorkerRow]) -> Unavailable:
    names = ", ".join(f"{row.host} (process {row.pid})" for row in behind)
    return Unavailable(
        f"These workers cannot use the new key yet: {names}. Check their logs for the key provider, then run the "
        "same command again. It continues from here.",
        retry_after_seconds=5,
    )
