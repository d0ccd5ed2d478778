"""Rewrapping: wraps every user key with the active version of the master key. The key itself does not change.

    read a batch ─► unwrap, check, wrap, unwrap again ─► one transaction: fence, compare-and-swap, MAC, audit
         ▲                outside of any transaction                  │ in a thread, beside the next batch
         └──────────────────── from the next id on, round and round ────────────────┘

Progress is not stored: the query is the state, so this continues after any crash, runs beside writers, and two at
once share the work.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from vault.errors import BlobError
from vault.model.action import Action
from vault.model.principal import Principal
from vault.services import audit
from vault.services.own.instance import Instance
from vault.services.own.keys import master_key
from vault.services.pace import FULL_SPEED, Pace, Progress, Walk, no_progress
from vault.storage import ColumnValues, MasterKeyVersion, Stale, Storage, UnitOfWork, UserKey
from vault.storage.retry import patiently
from vault.storage.rows.keys import UserKeys
from vault.storage.walks.key_walk import (
    RowChange,
    change_many,
    count_outdated,
    outdated_user_keys,
    outdated_versions,
    unchanged,
)


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """How many keys were moved, and the ids of those that cannot be opened."""

    done: int
    broken: tuple[str, ...]


class Rewrapping:
    """Moves user keys to the active version of the master key. For operators."""

    def __init__(self, storage: Storage, instance: Instance) -> None:
        self._storage = storage
        self._instance = instance

    def run(self, principal: Principal, pace: Pace = FULL_SPEED, progress: Progress = no_progress) -> Rewrapped:
        """Rewrap all keys of versions before the active one. Raises a provider's errors."""
        principal.require_operator()
        self._instance.learn()
        return _Run(self._storage, self._instance, principal, pace, progress).rewrapped()

    def left(self, principal: Principal) -> int:
        """Return how many user keys are wrapped by versions before the active one."""
        principal.require_operator()
        return _count(self._storage, self._instance.own_keys.active_master)


class _Run:
    """One run: moves all keys to `target`, the version that was active at its start."""

    def __init__(
        self, storage: Storage, instance: Instance, principal: Principal, pace: Pace, progress: Progress
    ) -> None:
        self._storage = storage
        self._instance = instance
        self._principal = principal
        self._target = instance.own_keys.active_master
        self._batch = pace.batch
        self._walk = Walk(pace, _count(storage, self._target), progress)
        self._broken: set[str] = set()

    def rewrapped(self) -> Rewrapped:
        """Move the keys, and return what was done."""
        # Repeat until a round finds nothing: writers that began before the rotation may have used an old version.
        while self._round() and not self._walk.is_over():
            continue
        return Rewrapped(self._walk.done, tuple(sorted(self._broken)))

    def _round(self) -> bool:
        """Move the keys, in one round. Returns whether any was moved."""
        with self._storage.read() as unit:
            versions = outdated_versions(unit, self._target.version)
        before, stored = self._walk.done, None
        # While the database stores one batch, the next is unwrapped and wrapped.
        with ThreadPoolExecutor(1, "rewrap") as writer:
            for batch in (batch for version in versions for batch in self._batches(version)):
                changes = self._rewrapped_all(batch)
                if stored is not None:
                    self._walk.add(stored.result())
                stored = writer.submit(self._store, changes)
                if self._walk.is_over():
                    break
            if stored is not None:
                self._walk.add(stored.result())
        return self._walk.done > before

    def _batches(self, version: int) -> Iterator[list[UserKey]]:
        """Yield a version's keys once, starting at a random id, so that two walks rarely meet."""
        start = after = str(uuid.uuid4())
        wrapped = False
        while True:
            with self._storage.read() as unit:
                batch = outdated_user_keys(unit, version, after, self._batch)
            if wrapped:
                batch = [row for row in batch if row.id <= start]
            if batch:
                yield batch
                after = batch[-1].id
            elif wrapped:
                return
            else:
                wrapped, after = True, ""

    def _rewrapped_all(self, batch: list[UserKey]) -> list[RowChange[UserKey]]:
        changes: list[RowChange[UserKey]] = []
        for row in batch:
            try:
                changes.append((row, self._rewrapped(row)))
            except BlobError:
                # One key that cannot be opened must not keep the others on an old version.
                self._broken.add(row.id)
        return changes

    def _rewrapped(self, row: UserKey) -> ColumnValues:
        keyring, target = self._instance.keyring, self._target
        unwrapped = keyring.unwrapped_user_key(self._instance.master(row.master_key_id), row.owner_id, row.id, row.blob)
        # If the old provider returned a wrong key, it must not be wrapped again as if it were right.
        keyring.derived_user_key(row.owner_id, row.id, unwrapped, row.check_value)
        blob = keyring.wrap_user_key(master_key(target), row.owner_id, row.id, unwrapped)
        moved: ColumnValues = {"master_key_id": target.id, "master_version": target.version}
        return {**moved, "blob": blob, "generation": row.generation + 1}

    def _store(self, changes: list[RowChange[UserKey]]) -> int:
        """Store the changes of a batch. Returns how many were stored."""
        if not changes:
            return 0
        try:
            return patiently(self._store_all, changes)
        except Stale:
            return self._storage.transaction(self._store_those_unchanged, changes)

    def _store_all(self, changes: list[RowChange[UserKey]]) -> int:
        with self._storage.write() as unit:
            return self._change(unit, changes) if self._is_target_active(unit) else 0

    def _store_those_unchanged(self, unit: UnitOfWork, changes: list[RowChange[UserKey]]) -> int:
        """Store the unchanged rows. Others were changed by another walk or an erasure, so they are done or gone."""
        if not self._is_target_active(unit):
            return 0
        same = unchanged(unit, UserKeys, [row for row, _ in changes])
        return self._change(unit, [change for change in changes if change[0].id in same])

    def _is_target_active(self, unit: UnitOfWork) -> bool:
        """Take the fence, and report whether no other rotation has happened. After one, the rest counts as work for its
        version.

        A version that is no longer active may be disabled at any moment, except under the fence.
        """
        return unit.state.fence().active_master_key_id == self._target.id

    def _change(self, unit: UnitOfWork, changes: list[RowChange[UserKey]]) -> int:
        change_many(unit, UserKeys, changes)
        if changes:
            details = {"version": self._target.version, "keys": len(changes)}
            audit.record(unit, self._principal, Action.KEYS_REWRAP, details=details)
        return len(changes)


def _count(storage: Storage, target: MasterKeyVersion) -> int:
    with storage.read() as unit:
        return count_outdated(unit, target.version)
