"""Rotation below the master key: a new user key for a person, a new data key for an environment.

A new user key wraps all data keys again in one transaction, and the old one is deleted. A new data key seals later
revisions. The old one is deleted with the last revision that it seals.
"""

from __future__ import annotations

from vault.crypto import key_id_of
from vault.errors import BlobError
from vault.model.action import Action
from vault.model.clock import DAY_US, Clock
from vault.model.environment import Sealing
from vault.model.principal import Principal
from vault.services import audit
from vault.services.environments.sealing import Sealer
from vault.services.own.instance import Instance
from vault.services.people.finding import find_person
from vault.storage import DataKey, EnvironmentRow, Storage, UnitOfWork, UserKey
from vault.storage.rows.keys import DataKeys
from vault.storage.walks.key_walk import (
    RowChange,
    change_many,
    data_keys_before,
    data_keys_under,
    idle_data_keys,
    users_with_key_before,
)

_AT_ONCE = 100


class UserRotation:
    """User keys and data keys. For operators."""

    def __init__(self, storage: Storage, instance: Instance, sealer: Sealer, clock: Clock) -> None:
        self._storage = storage
        self._instance = instance
        self._sealer = sealer
        self._clock = clock

    def rotate(self, principal: Principal, name: str) -> None:
        """Make a new user key for the person of this name. Raises `NotFound`."""
        principal.require_operator()
        with self._storage.read() as unit:
            user = find_person(unit, name)
        self.rotate_user(principal, user.id)

    def rotate_user(self, principal: Principal, user_id: str, made_before_us: int | None = None) -> bool:
        """Make a new user key for a person. Returns False if the present one is new enough or the person does not
        exist.
        """
        principal.require_operator()
        return self._storage.transaction(self._rotate_user, principal, user_id, made_before_us)

    def rotate_environment(self, principal: Principal, data_key: DataKey) -> bool:
        """Replace the active data key of an environment. Returns False if it is no longer active."""
        principal.require_operator()
        return self._storage.transaction(self._rotate_environment, principal, data_key)

    def rotate_by_age(self, principal: Principal, user_key_days: int, data_key_days: int) -> dict[str, int]:
        """Replace some keys that are older than these numbers of days (0 means never). Returns how many of each
        kind.
        """
        principal.require_operator()
        done = {"user_keys": 0, "data_keys": 0}
        now = self._clock()
        if user_key_days:
            before_us = now - user_key_days * DAY_US
            with self._storage.read() as unit:
                users = users_with_key_before(unit, before_us, "", _AT_ONCE)
            done["user_keys"] = sum(self.rotate_user(principal, user_id, before_us) for user_id in users)
        if data_key_days:
            with self._storage.read() as unit:
                keys = data_keys_before(unit, now - data_key_days * DAY_US, "", _AT_ONCE)
            done["data_keys"] = sum(self.rotate_environment(principal, key) for key in keys)
        return done

    def drop_idle(self, principal: Principal) -> int:
        """Delete retired data keys that seal nothing. Returns how many."""
        principal.require_operator()
        with self._storage.write() as unit:
            idle = idle_data_keys(unit, _AT_ONCE)
            for row in idle:
                unit.data_keys.remove(row)
            if idle:
                audit.record(unit, principal, Action.KEYS_DROP, details={"data_keys": len(idle)})
        return len(idle)

    def _rotate_user(self, unit: UnitOfWork, principal: Principal, user_id: str, made_before_us: int | None) -> bool:
        # Locking the user's row locks everything that belongs to the user.
        if unit.users.by_id(user_id, lock=True) is None:
            return False
        old = unit.user_keys.active(user_id)
        if made_before_us is not None and old.created_us >= made_before_us:
            return False
        unit.user_keys.change(old, state="retired")
        self._instance.add_user_key(unit, user_id)
        self._move_data_keys(unit, user_id, old, unit.user_keys.active(user_id))
        unit.user_keys.remove(old)
        audit.record(unit, principal, Action.KEYS_ROTATE_USER, user_id=user_id)
        return True

    def _move_data_keys(self, unit: UnitOfWork, user_id: str, old: UserKey, new: UserKey) -> None:
        keyring = self._instance.keyring
        old_key, new_key = self._instance.user_key(user_id, old), self._instance.user_key(user_id, new)
        changes: list[RowChange[DataKey]] = []
        for row in data_keys_under(unit, old.id):
            ids = (user_id, row.environment_id)
            data_key = keyring.data_key(old_key, *ids, row.id, row.blob)
            blob = keyring.wrap_data_key(new_key, *ids, data_key)
            changes.append((row, {"user_key_id": new.id, "blob": blob, "generation": row.generation + 1}))
        change_many(unit, DataKeys, changes)

    def _rotate_environment(self, unit: UnitOfWork, principal: Principal, data_key: DataKey) -> bool:
        if unit.users.by_id(data_key.owner_id, lock=True) is None:
            return False
        environment = unit.environments.by_id(data_key.owner_id, data_key.environment_id)
        active = unit.data_keys.active(data_key.environment_id)
        if environment is None or active is None or active.id != data_key.id:
            return False
        unit.data_keys.change(active, state="retired")
        self._sealer.add_data_key(unit, environment.owner_id, environment.id)
        self.reseal_metadata(unit, environment)
        audit.record(
            unit, principal, Action.KEYS_ROTATE_DATA, user_id=environment.owner_id, environment_id=environment.id
        )
        return True

    def reseal_metadata(self, unit: UnitOfWork, environment: EnvironmentRow) -> None:
        """Seal an environment's metadata with its active data key."""
        if environment.metadata_blob is None or environment.sealing != Sealing.SERVER:
            return
        active = unit.data_keys.active(environment.id)
        if active is None:
            raise BlobError()
        if key_id_of(environment.metadata_blob) == active.id:
            return
        metadata = self._sealer.open_metadata(unit, environment)
        blob = self._sealer.seal_metadata(unit, environment, environment.metadata_generation, metadata)
        unit.environments.change(environment, metadata_blob=blob)
