"""Rotation of the master key: makes a version, tests it, makes it active, and destroys an old one.

    pending ── every live worker can use it ──► active ── another is active ──► retiring
                                                                                     │ nothing refers to it
    destroyed ◄── a waiting time has passed, and the proof: a foreign key ── disabled ◄┘ (and back: `--undo`)

`rewrapping.py` moves the keys of a version to the next, at any time and without stopping other work.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from vault.errors import Conflict, InvalidInput, KeyProviderError, KeyringError, NotFound
from vault.keys import MasterKey
from vault.model.action import Action
from vault.model.clock import DAY_SECONDS, DAY_US, SECOND_US, Clock
from vault.model.principal import Principal
from vault.services import audit
from vault.services.keys.workers import Waiting, WorkerStatus
from vault.services.own.instance import Instance
from vault.services.own.keys import make_canary
from vault.storage import ColumnValues, DestroyedMaster, MasterKeyVersion, StillReferred, Storage, UnitOfWork
from vault.storage.retry import again
from vault.storage.walks.key_walk import references


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """One version: its provider, its state, how many user keys it wraps, and how many workers know it.

    `destroyable_us` is the end of the waiting time of a disabled version.
    """

    version: int
    provider: str
    state: str
    created_us: int
    changed_us: int
    user_keys: int
    workers: int
    destroyable_us: int | None = None


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """All versions, the oldest first, also destroyed ones, and the workers."""

    versions: tuple[VersionStatus, ...]
    workers: tuple[WorkerStatus, ...]


class MasterRotation:
    """The versions of the master key. For operators."""

    def __init__(
        self, storage: Storage, instance: Instance, waiting: Waiting, clock: Clock, *, destroy_wait_days: int
    ) -> None:
        """`destroy_wait_days` must pass after a version is disabled, before it can be destroyed."""
        self._destroy_wait_days = destroy_wait_days
        self._storage = storage
        self._instance = instance
        self._waiting = waiting
        self._clock = clock

    def status(self, principal: Principal) -> KeyStatus:
        """Return all versions and workers."""
        principal.require_operator()
        with self._storage.read() as unit:
            rows, counts = unit.master_keys.list(), references(unit)
            gone = unit.destroyed_keys.masters()
            workers = tuple(self._waiting.workers(unit))
        versions = [self._version_status(row, counts.get(row.id, 0), workers) for row in rows]
        lost = [
            VersionStatus(
                row.version, row.provider, "destroyed" if row.confirmed_us else "being destroyed",
                row.created_us, row.destroyed_us, 0, 0,
            )
            for row in gone
        ]  # fmt: skip
        return KeyStatus(tuple(sorted([*lost, *versions], key=lambda each: each.version)), workers)

    def rotate(self, principal: Principal, provider: str | None = None, *, wait_seconds: float | None = None) -> int:
        """Make a new version, with another provider if one is given, and make it active. Returns its number.

        A version that an earlier call left pending is used. Raises `InvalidInput` for a provider that does not work
        here, and `Unavailable` if a live worker does not learn the version in time; call it again to continue.
        """
        principal.require_operator()
        pending = self._pending(principal, provider)
        self._waiting.for_all(wait_seconds)
        number = self._storage.transaction(self._activate, principal, pending)
        self._instance.learn()
        return number

    def retire(self, principal: Principal, version: int) -> None:
        """Disable a version that nothing refers to. The provider then refuses it. Raises `Conflict`."""
        principal.require_operator()
        row = self._storage.transaction(self._disable, principal, version)
        self._instance.keyring.provider(row.provider).disable(row.ref)

    def restore(self, principal: Principal, version: int) -> None:
        """Undo `retire`, for a backup that needs the version. Raises `Conflict` if it is not disabled."""
        principal.require_operator()
        with self._storage.read() as unit:
            row = _existing(unit.master_keys.by_version(version))
        if row.state != "disabled":
            raise Conflict(f"Version {version} is {row.state}. Only a disabled version can be enabled again.")
        # Enable it at the provider first: a version that the vault considers usable must be usable.
        self._instance.keyring.provider(row.provider).enable(row.ref)
        self._storage.transaction(self._enable, principal, version)

    def destroy(self, principal: Principal, version: int, *, now: bool = False) -> None:
        """Destroy a version for good, after proving that nothing refers to it. `now` skips the waiting time.

        Raises `Conflict` while it is in use or before its time. The next call, for any version, completes what a crash
        left unfinished.
        """
        principal.require_operator()
        self.finish_destroying(principal)
        try:
            self._storage.transaction(self._remove, principal, version, now)
        except StillReferred as error:
            raise Conflict(f"Version {version} is still in use, so it was not destroyed.") from error
        self.finish_destroying(principal)

    def finish_destroying(self, principal: Principal) -> int:
        """Make the providers destroy versions that the vault has released. Returns how many. Raises a provider's
        errors.
        """
        principal.require_operator()
        with self._storage.read() as unit:
            waiting = [row for row in unit.destroyed_keys.masters() if row.confirmed_us is None]
        for row in waiting:
            self._instance.keyring.provider(row.provider).destroy(row.ref)
            with self._storage.write() as unit:
                unit.destroyed_keys.change(row, confirmed_us=self._clock())
                audit.record(unit, principal, Action.KEYS_DESTROYED, details={"version": row.version})
        return len(waiting)

    # -- Its steps --

    def _pending(self, principal: Principal, provider: str | None) -> str:
        """Return the id of the pending version: the existing one, or a new one."""
        with self._storage.read() as unit:
            rows, gone = unit.master_keys.list(), unit.destroyed_keys.masters()
            active_id = unit.state.get().active_master_key_id
        name = provider or next(row.provider for row in rows if row.id == active_id)
        found = next((row for row in rows if row.state == "pending"), None)
        if found is not None:
            if found.provider != name:
                raise Conflict(
                    f"Version {found.version} of the provider {found.provider} is pending. Finish its rotation, or "
                    "destroy it first."
                )
            return found.id
        first = name not in {row.provider for row in rows} | {row.provider for row in gone}
        try:
            ref = self._instance.keyring.create_version(name, first=first)
        except KeyringError:
            raise
        except KeyProviderError as error:
            if provider is None:
                raise
            # The caller chose a provider that this server does not know, has no settings for, or may not use.
            raise InvalidInput(error.message, path="provider") from error
        return again(self._insert, principal, name, ref)

    def _insert(self, principal: Principal, provider: str, ref: str) -> str:
        now, key_id = self._clock(), str(uuid.uuid4())
        with self._storage.read() as unit:
            taken: list[MasterKeyVersion | DestroyedMaster] = [*unit.master_keys.list(), *unit.destroyed_keys.masters()]
        _require_new(taken, provider, ref)
        version = max(row.version for row in taken) + 1
        row: ColumnValues = {"id": key_id, "version": version, "provider": provider, "ref": ref, "state": "pending"}
        canary = make_canary(self._instance.keyring, MasterKey(key_id, provider, ref))
        with self._storage.write() as unit:
            state = unit.state.hold()
            # Check again under the lock: two hosts may have got the same key at the same time.
            _require_new(unit.master_keys.list(), provider, ref)
            unit.master_keys.add(**row, **canary, created_us=now, changed_us=now)
            # A new version of the state's row tells the workers that there are changes.
            unit.state.change(state)
            audit.record(unit, principal, Action.KEYS_PREPARE, details={"version": version, "provider": provider})
        return key_id

    def _activate(self, unit: UnitOfWork, principal: Principal, pending_id: str) -> int:
        state = unit.state.hold()
        pending = _existing(unit.master_keys.by_id(pending_id))
        if pending.state != "pending":
            # Another operator's call was faster and did the same.
            return pending.version
        self._waiting.check(unit, state)
        old = _existing(unit.master_keys.by_id(state.active_master_key_id))
        now = self._clock()
        unit.master_keys.change(old, state="retiring", changed_us=now)
        unit.master_keys.change(pending, state="active", changed_us=now)
        unit.state.change(state, active_master_key_id=pending.id)
        audit.record(unit, principal, Action.KEYS_ROTATE, details={"version": pending.version})
        return pending.version

    def _disable(self, unit: UnitOfWork, principal: Principal, version: int) -> MasterKeyVersion:
        state = unit.state.hold()
        row = _existing(unit.master_keys.by_version(version))
        if row.state not in ("retiring", "disabled"):
            raise Conflict(
                f"Version {version} is {row.state}. Only a version that another has replaced can be retired."
            )
        _require_unreferred(unit, row)
        if row.state == "retiring":
            unit.master_keys.change(row, state="disabled", changed_us=self._clock())
            unit.state.change(state)
            audit.record(unit, principal, Action.KEYS_RETIRE, details={"version": version})
        return row

    def _enable(self, unit: UnitOfWork, principal: Principal, version: int) -> None:
        state = unit.state.hold()
        row = _existing(unit.master_keys.by_version(version))
        unit.master_keys.change(row, state="retiring", changed_us=self._clock())
        unit.state.change(state)
        audit.record(unit, principal, Action.KEYS_RESTORE, details={"version": version})

    def _remove(self, unit: UnitOfWork, principal: Principal, version: int, at_once: bool) -> None:
        state = unit.state.hold()
        row = unit.master_keys.by_version(version)
        if row is None:
            self._require_destroyed(unit, version)
            return
        self._check_may_go(unit, row, at_once)
        unit.master_keys.remove(row)
        reference = {"key_id": row.id, "kind": "master", "provider": row.provider, "ref": row.ref}
        times = {"created_us": row.created_us, "destroyed_us": self._clock(), "confirmed_us": None}
        unit.destroyed_keys.add(**reference, **times, version=version)
        unit.state.change(state)
        audit.record(unit, principal, Action.KEYS_DESTROY, details={"version": version})

    def _require_destroyed(self, unit: UnitOfWork, version: int) -> None:
        if not any(row.version == version for row in unit.destroyed_keys.masters()):
            raise NotFound(f"There is no version {version} of the master key.")

    def _check_may_go(self, unit: UnitOfWork, row: MasterKeyVersion, at_once: bool) -> None:
        if row.state == "active":
            raise Conflict(f"Version {row.version} is the active one. Rotate first.")
        _require_unreferred(unit, row)
        if at_once or row.state == "pending":
            return
        if row.state != "disabled":
            raise Conflict(f"Version {row.version} is {row.state}: run `strongroom keys retire {row.version}` first.")
        seconds_left = (self._destroyable_us(row) - self._clock()) // SECOND_US
        if seconds_left > 0:
            raise Conflict(
                f"Version {row.version} may be destroyed in {seconds_left / DAY_SECONDS:.1f} days: a backup may still "
                "need it. Use --now to destroy it at once."
            )

    def _destroyable_us(self, row: MasterKeyVersion) -> int:
        return row.changed_us + self._destroy_wait_days * DAY_US

    def _version_status(
        self, row: MasterKeyVersion, user_keys: int, workers: tuple[WorkerStatus, ...]
    ) -> VersionStatus:
        knowing = sum(not worker.is_locked and worker.knows_version >= row.version for worker in workers)
        ready = self._destroyable_us(row) if row.state == "disabled" else None
        facts = (row.version, row.provider, row.state, row.created_us, row.changed_us)
        return VersionStatus(*facts, user_keys, knowing, ready)


def _existing(row: MasterKeyVersion | None) -> MasterKeyVersion:
    if row is None:
        raise NotFound("There is no such version of the master key.")
    return row


def _require_unreferred(unit: UnitOfWork, row: MasterKeyVersion) -> None:
    """Raise `Conflict` if the version wraps any key."""
    left = references(unit).get(row.id, 0)
    if left:
        raise Conflict(f"{left:,} keys are still wrapped by version {row.version}. Run `strongroom keys rewrap`.")


def _require_new(rows: Sequence[MasterKeyVersion | DestroyedMaster], provider: str, ref: str) -> None:
    """Raise `Conflict` for a key that is already a version.

    A rotation to it would change nothing, and destroying the old version would destroy the new one.
    """
    for row in rows:
        if (row.provider, row.ref) == (provider, ref):
            raise Conflict(
                f"The key from {provider} for a new version is already version {row.version}. If a setting "
                "names the key (STRONGROOM_AWS_KMS_KEY_ID), set it to another key, or unset it."
            )
