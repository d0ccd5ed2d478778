"""Rotation of the vault's own secrets: the keys for MACs, digests of tokens, other digests, and checkpoints."""

from __future__ import annotations

from vault.crypto import context, new_key
from vault.model.action import Action
from vault.model.clock import HOUR_US, Clock
from vault.model.principal import Principal
from vault.services import audit
from vault.services.keys.workers import Waiting
from vault.services.own.instance import Instance
from vault.services.own.keys import SECRET_PURPOSES
from vault.storage import ColumnValues, Storage, SystemSecret, UnitOfWork

LASTING = ("token", "digest")
"""Purposes whose old keys are needed for a while: for tokens that were not used yet, and for kept answers."""


class SecretRotation:
    """The vault's own secrets. For operators."""

    def __init__(
        self, storage: Storage, instance: Instance, waiting: Waiting, clock: Clock, *, grace_hours: int
    ) -> None:
        """`grace_hours` is how long a retired secret for tokens or digests still works."""
        self._grace_hours = grace_hours
        self._storage = storage
        self._instance = instance
        self._waiting = waiting
        self._clock = clock

    def rotate(self, principal: Principal, before_us: int) -> None:
        """Replace the secret of every purpose whose active one was made before a time. Raises `Unavailable`."""
        principal.require_operator()
        if not self._storage.transaction(self._prepare, principal, before_us):
            return
        self._waiting.for_all()
        self._storage.transaction(self._activate, principal)
        self._instance.learn()
        # After this, no live worker signs with an old key.
        self._waiting.for_all()

    def refused_us(self, row: SystemSecret) -> int:
        """Return when a retired secret is refused."""
        return row.changed_us + self._grace_hours * HOUR_US

    def drop(self, unit: UnitOfWork, purposes: tuple[str, ...]) -> int:
        """Delete retired secrets, in a transaction that locks the state. Returns how many. For other services.

        A foreign key prevents it while a row is signed with one.
        """
        retired = [row for row in unit.system_secrets.list() if row.state == "retired" and row.purpose in purposes]
        for row in retired:
            unit.system_secrets.remove(row)
        return len(retired)

    def drop_overdue(self, principal: Principal) -> int:
        """Delete retired secrets for tokens and digests whose grace period is over. Returns how many."""
        principal.require_operator()
        return self._storage.transaction(self._drop_overdue, principal)

    def _prepare(self, unit: UnitOfWork, principal: Principal, before_us: int) -> bool:
        """Make missing secrets. Returns whether any secret is pending now."""
        state = unit.state.hold()
        rows = unit.system_secrets.list()
        pending = {row.purpose for row in rows if row.state == "pending"}
        old = {row.purpose for row in rows if row.state == "active" and row.created_us < before_us}
        for purpose in SECRET_PURPOSES:
            if purpose in old - pending:
                self._add(unit, purpose)
        if old - pending:
            unit.state.change(state)
            audit.record(unit, principal, Action.KEYS_PREPARE_SECRETS)
        return bool(old | pending)

    def _add(self, unit: UnitOfWork, purpose: str) -> None:
        key, now = new_key(), self._clock()
        row: ColumnValues = {"id": key.id, "purpose": purpose, "state": "pending", "created_us": now, "changed_us": now}
        blob = self._instance.seal(context.system_secret(self._instance.id, purpose, key.id), key.secret)
        unit.system_secrets.add(**row, user_key_id=self._instance.system_key_id, blob=blob)

    def _activate(self, unit: UnitOfWork, principal: Principal) -> None:
        state = unit.state.hold()
        rows = unit.system_secrets.list()
        pending = [row for row in rows if row.state == "pending"]
        if not pending:
            # Another operator's call was faster and did the same.
            return
        self._waiting.check(unit, state)
        purposes, now = {row.purpose for row in pending}, self._clock()
        for row in rows:
            if row.state == "active" and row.purpose in purposes:
                unit.system_secrets.change(row, state="retired", changed_us=now)
        for row in pending:
            unit.system_secrets.change(row, state="active", changed_us=now)
        unit.state.change(state)
        audit.record(unit, principal, Action.KEYS_ROTATE_SECRETS)

    def _drop_overdue(self, unit: UnitOfWork, principal: Principal) -> int:
        state = unit.state.hold()
        overdue = [
            row
            for row in unit.system_secrets.list()
            if row.state == "retired" and row.purpose in LASTING and self.refused_us(row) <= self._clock()
        ]
        for row in overdue:
            unit.system_secrets.remove(row)
        if overdue:
            unit.state.change(state)
            audit.record(unit, principal, Action.KEYS_DROP, details={"secrets": len(overdue)})
        return len(overdue)
