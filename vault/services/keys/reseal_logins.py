"""The stages of a reseal for logins: sessions end, and passkeys get new digests to be found by."""

from __future__ import annotations

from vault.model.action import Action
from vault.model.clock import Clock
from vault.model.principal import Principal
from vault.services import audit
from vault.services.own.instance import Instance
from vault.services.pace import BATCH, Walk
from vault.services.people.factors import FactorKind, Passkeys
from vault.services.people.sessions import Sessions
from vault.storage import Storage, UnitOfWork
from vault.storage.walks.reseal_walk import clear_ended, people_with_sessions


class ResealLogins:
    """Ends sessions, and finds passkeys by new digests. For `Resealing`, which has checked the permission."""

    def __init__(
        self, storage: Storage, instance: Instance, sessions: Sessions, passkeys: Passkeys, clock: Clock
    ) -> None:
        self._storage = storage
        self._instance = instance
        self._sessions = sessions
        self._passkeys = passkeys
        self._clock = clock

    def run(self, principal: Principal, _before_us: int, walk: Walk) -> None:
        """Do what is left of both stages. Raises `OutOfTime`."""
        self._end_sessions(walk)
        self._look_up_anew(principal, walk)

    def _end_sessions(self, walk: Walk) -> None:
        key_id = self._instance.secret("token").id
        with self._storage.write() as unit:
            clear_ended(unit)
        while True:
            with self._storage.read() as unit:
                people = people_with_sessions(unit, key_id, self._clock(), BATCH)
            if not people:
                return
            for user_id in people:
                self._storage.transaction(self._sessions.revoke_all, user_id)
                walk.go_on()

    def _look_up_anew(self, principal: Principal, walk: Walk) -> None:
        after: str | None = ""
        while after is not None:
            after = self._storage.transaction(self._look_some_up_anew, principal, after)
            walk.go_on()

    def _look_some_up_anew(self, unit: UnitOfWork, principal: Principal, after: str) -> str | None:
        rows = unit.credentials.with_lookup(after, BATCH)
        done = sum(self._passkeys.look_up_anew(unit, row) for row in rows if row.kind == FactorKind.PASSKEY)
        if done:
            audit.record(unit, principal, Action.KEYS_RESEAL, details={"passkeys": done})
        return rows[-1].id if rows else None
