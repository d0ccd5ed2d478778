"""The last stages of a reseal: signs every row again, then refuses the old keys."""

from __future__ import annotations

from vault.errors import Unavailable
from vault.model.action import Action
from vault.model.principal import Principal
from vault.services import audit
from vault.services.audit.tree import AuditTree
from vault.services.keys.secrets import SecretRotation
from vault.services.keys.workers import Waiting
from vault.services.own.instance import Instance
from vault.services.pace import BATCH, Walk
from vault.storage import Stale, StillReferred, Storage, UnitOfWork
from vault.storage.signing.repository import AnyRepository
from vault.storage.signing.signed_row import SignedRow
from vault.storage.walks.key_walk import RowChange, change_many, unchanged
from vault.storage.walks.reseal_walk import count_signed_before, repositories, signed_before

_ROUNDS = 5


class ResealRows:
    """Signs rows with the new key. For `Resealing`, which has checked the permission."""

    def __init__(self, storage: Storage, instance: Instance, secrets: SecretRotation, waiting: Waiting) -> None:
        self._storage = storage
        self._instance = instance
        self._secrets = secrets
        self._waiting = waiting

    def run(self, principal: Principal, _before_us: int, walk: Walk) -> None:
        """Sign every row again, then refuse the old keys. Repeat if another process still signs with one.

        Raises `OutOfTime`, and `Unavailable` if a process does not stop.
        """
        for _ in range(_ROUNDS):
            for repository in repositories():
                self._sign_rows(principal, repository, walk)
            try:
                self._end(principal)
            except (StillReferred, Stale):
                continue
            self._instance.learn()
            self._waiting.for_all()
            return
        raise Unavailable("A process still signs with an old key. Look for a worker that hangs, then run this again.")

    def _sign_rows(self, principal: Principal, repository: type[AnyRepository], walk: Walk) -> None:
        after = None
        while True:
            with self._storage.read() as unit:
                rows = signed_before(unit, repository, self._instance.secret("mac").id, after, BATCH)
            if not rows:
                return
            self._storage.transaction(self._sign_some, principal, repository, rows)
            walk.add(len(rows))
            walk.go_on()
            after = repository.id_of(rows[-1])

    def _sign_some(
        self, unit: UnitOfWork, principal: Principal, repository: type[AnyRepository], rows: list[SignedRow]
    ) -> None:
        # Rows that were changed meanwhile are signed with the new key already, or found in the next round.
        same = unchanged(unit, repository, rows)
        left: list[RowChange[SignedRow]] = [(row, {}) for row in rows if repository.id_of(row) in same]
        change_many(unit, repository, left)
        if left:
            audit.record(unit, principal, Action.KEYS_SIGN, details={repository.signed.table.name: len(left)})

    def _end(self, principal: Principal) -> None:
        with self._storage.write() as unit:
            # Events that wait for their places, and the tree's head, must not depend on an old key. So add an event,
            # because adding one signs the head again.
            audit.record(unit, principal, Action.KEYS_REFUSE)
            AuditTree(self._instance).sequence(unit)
        with self._storage.write() as unit:
            state = unit.state.hold()
            # For tables without a foreign key to keys, count here. No row can be added meanwhile, because every writer
            # takes the fence.
            if count_signed_before(unit, self._instance.secret("mac").id, proven=False):
                raise Stale("mac")
            self._secrets.drop(unit, ("mac", "checkpoint"))
            unit.state.change(state, reseal_from_us=None)
            audit.record(unit, principal, Action.KEYS_RESEAL_END)
