"""Rotation of the vault's own keys: the system key, and the secrets that it seals.

    pending ── every live worker has it ──► active ── another is active ──► retired ── nothing needs it ──► deleted

Both levels work like this. Blobs of a retired system key can still be opened, and are moved to the active one. Rows
that a retired MAC key has signed are still accepted.
"""

from __future__ import annotations

from vault.crypto import Context, context, open_blob, seal
from vault.errors import IntegrityError
from vault.model.action import Action
from vault.model.clock import DAY_US, Clock
from vault.model.principal import Principal
from vault.services import audit
from vault.services.keys.workers import Waiting
from vault.services.own.credentials import place_of
from vault.services.own.instance import Instance
from vault.services.pace import FULL_SPEED, Pace, Progress, Walk, no_progress
from vault.storage import ColumnValues, Credential, StateRow, Storage, SystemSecret, UnitOfWork, UserKey
from vault.storage.rows.keys import SystemSecrets
from vault.storage.rows.users import Credentials
from vault.storage.walks.key_walk import RowChange, change_many, credentials_under, is_sealing

KEPT_US = 2 * DAY_US
"""How long a retired system key stays after its successor was made: kept and wrapped answers live for a day, and
records in a host's audit spool may come a little late.
"""


class SystemRotation:
    """The system key and the vault's own secrets. For operators."""

    def __init__(self, storage: Storage, instance: Instance, waiting: Waiting, clock: Clock) -> None:
        self._storage = storage
        self._instance = instance
        self._waiting = waiting
        self._clock = clock

    def rotate(self, principal: Principal, *, wait_seconds: float | None = None) -> None:
        """Make a new system key, or use a pending one. Raises `Unavailable` if a worker does not learn it in time."""
        principal.require_operator()
        self._storage.transaction(self._prepare_key, principal)
        self._waiting.for_all(wait_seconds)
        self._storage.transaction(self._activate_key, principal)
        self._instance.learn()
        # After this, no live worker seals with the old key.
        self._waiting.for_all(wait_seconds)
        self.move(principal)

    def rotate_by_age(self, principal: Principal, days: int) -> int:
        """Make a new system key if the active one is older than `days` (0 means never). Returns how many."""
        principal.require_operator()
        with self._storage.read() as unit:
            active = _existing(unit.user_keys.by_id(unit.state.get().active_system_key_id))
        if not days or active.created_us > self._clock() - days * DAY_US:
            return 0
        self.rotate(principal)
        return 1

    def move(self, principal: Principal, pace: Pace = FULL_SPEED, progress: Progress = no_progress) -> int:
        """Seal everything of retired system keys with the active one, except answers, which end within a day."""
        principal.require_operator()
        self._instance.learn()
        self._storage.transaction(self._move_secrets, principal)
        walk = Walk(pace, 0, progress)
        while not walk.is_over():
            count = self._storage.transaction(self._move_credentials, principal, pace.batch)
            if not count:
                break
            walk.add(count)
        return walk.done

    def drop_retired(self, principal: Principal) -> int:
        """Delete retired system keys that nothing needs. Returns how many."""
        principal.require_operator()
        return self._storage.transaction(self._drop_retired, principal)

    # -- Its steps --

    def _prepare_key(self, unit: UnitOfWork, principal: Principal) -> None:
        state = unit.state.hold()
        if any(row.state == "pending" for row in unit.user_keys.of_system()):
            return
        self._instance.add_user_key(unit, None, state="pending")
        unit.state.change(state)
        audit.record(unit, principal, Action.KEYS_PREPARE_SYSTEM)

    def _activate_key(self, unit: UnitOfWork, principal: Principal) -> None:
        state = unit.state.hold()
        pending = next((row for row in unit.user_keys.of_system() if row.state == "pending"), None)
        if pending is None:
            # Another operator's call was faster and did the same.
            return
        self._waiting.check(unit, state)
        old = _existing(unit.user_keys.by_id(state.active_system_key_id))
        unit.user_keys.change(old, state="retired")
        unit.user_keys.change(pending, state="active")
        unit.state.change(state, active_system_key_id=pending.id)
        audit.record(unit, principal, Action.KEYS_ROTATE_SYSTEM)

    def _move_secrets(self, unit: UnitOfWork, principal: Principal) -> None:
        state = unit.state.hold()
        changes: list[RowChange[SystemSecret]] = []
        for row in unit.system_secrets.list():
            if row.user_key_id != state.active_system_key_id:
                changes.append((row, self._sealed(state, row, self._secret_place(row))))
        change_many(unit, SystemSecrets, changes)
        if changes:
            audit.record(unit, principal, Action.KEYS_RESEAL, details={"system_secrets": len(changes)})

    def _move_credentials(self, unit: UnitOfWork, principal: Principal, limit: int) -> int:
        state = unit.state.fence()
        retired = [row.id for row in unit.user_keys.of_system() if row.state == "retired"]
        rows = credentials_under(unit, retired, limit) if retired else []
        changes = [(row, self._sealed(state, row, self._credential_place(row))) for row in rows]
        change_many(unit, Credentials, changes)
        if changes:
            audit.record(unit, principal, Action.KEYS_RESEAL, details={"credentials": len(changes)})
        return len(changes)

    def _drop_retired(self, unit: UnitOfWork, principal: Principal) -> int:
        state = unit.state.hold()
        active = _existing(unit.user_keys.by_id(state.active_system_key_id))
        if active.created_us > self._clock() - KEPT_US:
            return 0
        dropped = 0
        for row in unit.user_keys.of_system():
            if row.state == "retired" and not is_sealing(unit, row.id):
                unit.user_keys.remove(row)
                dropped += 1
        if dropped:
            unit.state.change(state)
            audit.record(unit, principal, Action.KEYS_DROP, details={"system_keys": dropped})
        return dropped

    def _sealed(self, state: StateRow, row: SystemSecret | Credential, place: Context) -> ColumnValues:
        """Return the columns of a row, with its blob sealed by the active system key of `state`."""
        keys = self._instance.own_keys.system_keys
        plaintext = open_blob(keys[row.user_key_id], place, row.blob)
        blob = seal(keys[state.active_system_key_id], place, plaintext)
        return {"user_key_id": state.active_system_key_id, "blob": blob}

    def _secret_place(self, row: SystemSecret) -> Context:
        return context.system_secret(self._instance.id, row.purpose, row.id)

    def _credential_place(self, row: Credential) -> Context:
        return place_of(self._instance.id, row.kind, row.user_id, row.id)


def _existing(row: UserKey | None) -> UserKey:
    if row is None:
        raise IntegrityError()
    return row
