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
        broken: set[str] = set()
        self._instance.learn()
        target = self._instance.own_keys.active_master
        walk = Walk(pace, self.left(principal), progress)
        # Repeat until a round finds nothing: writers that began before the rotation may have used an old version.
        while self._round(principal, target, pace, walk, broken) and not walk.is_over():
            continue
        return Rewrapped(walk.done, tuple(sorted(broken)))

    def left(self, principal: Principal) -> int:
        """Return how many user keys are wrapped by versions before the active one."""
        principal.require_operator()
        with self._storage.read() as unit:
            return count_outdated(unit, self._instance.own_keys.active_master.version)

    def _round(self, principal: Principal, target: MasterKeyVersion, pace: Pace, walk: Walk, broken: set[str]) -> bool:
        """Move the keys, in one round. Returns whether any was moved."""
        with self._storage.read() as unit:
            versions = outdated_versions(unit, target.version)
        before, stored = walk.done, None
        # While the database stores one batch, the next is unwrapped and wrapped.
        with ThreadPoolExecutor(1, "rewrap") as writer:
            for batch in (batch for version in versions for batch in self._batches(version, pace.batch)):
                changes = self._rewrapped_all(target, batch, broken)
                if stored is not None:
                    walk.add(stored.result())
                stored = writer.submit(self._store, principal, target, changes)
                if walk.is_over():
                    break
            if stored is not None:
                walk.add(stored.result())
        return walk.done > before

    def _batches(self, version: int, size: int) -> Iterator[list[UserKey]]:
        """Yield a version's keys once, starting at a random id, so that two walks rarely meet."""
        start = after = str(uuid.uuid4())
        wrapped = False
        while True:
            with self._storage.read() as unit:
                batch = outdated_user_keys(unit, version, after, size)
            if wrapped:
                batch = [row for row in batch if row.id <= start]
            if batch:
                yield batch
                after = batch[-1].id
            elif wrapped:
                return
            else:
                wrapped, after = True, ""

    def _rewrapped_all(
        self, target: MasterKeyVersion, batch: list[UserKey], broken: set[str]
    ) -> list[RowChange[UserKey]]:
        changes: list[RowChange[UserKey]] = []
        for row in batch:
            try:
                changes.append((row, self._rewrapped(target, row)))
            except BlobError:
                # One key that cannot be opened must not keep the others on an old version.
                broken.add(row.id)
        return changes

    def _rewrapped(self, target: MasterKeyVersion, row: UserKey) -> ColumnValues:
        keyring = self._instance.keyring
        unwrapped = keyring.unwrapped_user_key(self._instance.master(row.master_key_id), row.owner_id, row.id, row.blob)
        # If the old provider returned a wrong key, it must not be wrapped again as if it were right.
        keyring.derived_user_key(row.owner_id, row.id, unwrapped, row.check_value)
        blob = keyring.wrap_user_key(master_key(target), row.owner_id, row.id, unwrapped)
        moved: ColumnValues = {"master_key_id": target.id, "master_version": target.version}
        return {**moved, "blob": blob, "generation": row.generation + 1}

    def _store(self, principal: Principal, target: MasterKeyVersion, changes: list[RowChange[UserKey]]) -> int:
        if not changes:
            return 0
        try:
            patiently(self._store_all, principal, target, changes)
            return len(changes)
        except Stale:
            return self._storage.transaction(self._store_those_unchanged, principal, target, changes)

    def _store_all(self, principal: Principal, target: MasterKeyVersion, changes: list[RowChange[UserKey]]) -> None:
        with self._storage.write() as unit:
            # Check under the fence: a version that is no longer active may be disabled at any moment.
            if unit.state.fence().active_master_key_id != target.id:
                raise Stale("vault_state")
            change_many(unit, UserKeys, changes)
            audit.record(unit, principal, Action.KEYS_REWRAP, details={"version": target.version, "keys": len(changes)})

    def _store_those_unchanged(
        self, unit: UnitOfWork, principal: Principal, target: MasterKeyVersion, changes: list[RowChange[UserKey]]
    ) -> int:
        """Store the unchanged rows. Others were changed by another walk or an erasure, so they are done or gone."""
        if unit.state.fence().active_master_key_id != target.id:
            # Another rotation has happened. The rest counts as work for its version.
            return 0
        same = unchanged(unit, UserKeys, [row for row, _ in changes])
        left = [change for change in changes if change[0].id in same]
        change_many(unit, UserKeys, left)
        if left:
            audit.record(unit, principal, Action.KEYS_REWRAP, details={"version": target.version, "keys": len(left)})
        return len(left)
