"""Reseal, for use after a leak: replaces every key below the master key, seals every blob and signs every row again.

| stage    | what is replaced                                   | the stage has work left while                    |
|----------|----------------------------------------------------|--------------------------------------------------|
| system   | the system key                                     | the active one is old                            |
| secrets  | the keys for MACs, tokens, digests and checkpoints | an active one is old                             |
| sessions | nothing: all sessions end                          | the digest of an active session is old           |
| passkeys | the digests that passkeys are found by             | a retired key made one                           |
| answers  | the seals of stored and wrapped answers            | a retired system key sealed one                  |
| people   | every user key                                     | an active one is old                             |
| data     | every data key, then the seal of every revision    | an old data key is active or seals something     |
| rows     | every MAC                                          | a retired key made one                           |
| end      | nothing: the old MAC and checkpoint keys are       | a row is still signed with one                   |
|          | refused from now on                                |                                                  |

"Old" means made before the start of the reseal. The start is the only stored progress; it is in the state's row. So
the reseal continues after any crash, and two runs at once share the work. A digest of a token can only be made from
the token's text, so it is replaced at the token's next use. A token that is not used within the grace period is
refused for good.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from vault.crypto import Key, context, open_blob, seal
from vault.errors import Conflict, Unavailable
from vault.model.action import Action
from vault.model.clock import SECOND_US, Clock
from vault.model.principal import Principal
from vault.services import audit
from vault.services.audit.tree import AuditTree
from vault.services.keys.secrets import SecretRotation
from vault.services.keys.system import SystemRotation
from vault.services.keys.users import UserRotation
from vault.services.keys.workers import Waiting
from vault.services.own.instance import Instance
from vault.services.pace import BATCH, FULL_SPEED, Pace, Progress, Walk, no_progress
from vault.services.people.factors import FactorKind, Passkeys
from vault.services.people.sessions import Sessions
from vault.storage import ColumnValue, ColumnValues, DataKey, Stale, StillReferred, Storage, StoredRevision, UnitOfWork
from vault.storage.database.newer_tables import require_every_signed_table
from vault.storage.retry import again
from vault.storage.rows.revisions import Revisions
from vault.storage.signing.repository import AnyRepository
from vault.storage.signing.signed_row import SignedRow
from vault.storage.walks.key_walk import RowChange, change_many, data_keys_before, unchanged, users_with_key_before
from vault.storage.walks.reseal_walk import (
    ANSWERS,
    SealedAnswer,
    answers_before,
    clear_ended,
    count_made_before,
    count_signed_before,
    count_tokens_under,
    newest_us,
    people_with_sessions,
    replace_answers,
    repositories,
    retired_data_keys,
    revisions_under,
    signed_before,
)

REVISIONS_AT_ONCE = 16
"""The number of revisions in a batch. Each may have a megabyte, and all of a batch are in memory."""

CLOCKS_APART_US = 60 * SECOND_US

_TICK_SECONDS = 0.05
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class ResealStatus:
    """The state of a reseal. `tokens_left` were not used since its start; they are refused from `refused_us` on."""

    began_us: int | None
    tokens_left: int
    refused_us: int | None


class _OutOfTime(Exception):
    """The given time has passed. The next run continues."""


class Resealing:
    """Seals everything with new keys. For operators."""

    def __init__(
        self,
        storage: Storage,
        instance: Instance,
        sessions: Sessions,
        passkeys: Passkeys,
        people: UserRotation,
        system: SystemRotation,
        secrets: SecretRotation,
        waiting: Waiting,
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._instance = instance
        self._sessions = sessions
        self._passkeys = passkeys
        self._people = people
        self._system = system
        self._secrets = secrets
        self._waiting = waiting
        self._clock = clock

    def status(self, principal: Principal) -> ResealStatus:
        """Return whether a reseal is in progress, and how many tokens still have to be used."""
        principal.require_operator()
        self._instance.learn()
        token_key = self._instance.secret("token")
        with self._storage.read() as unit:
            began_us = unit.state.get().reseal_from_us
            left = count_tokens_under(unit, token_key.id, self._clock())
            retired = [row for row in unit.system_secrets.list() if (row.purpose, row.state) == ("token", "retired")]
        refused = min((self._secrets.refused_us(row) for row in retired), default=None)
        return ResealStatus(began_us, left, refused)

    def run(self, principal: Principal, pace: Pace = FULL_SPEED, progress: Progress = no_progress) -> bool:
        """Seal everything with new keys, or continue an earlier run. Returns False if the time of `pace` ended before
        the work.

        Raises `Conflict`, and changes nothing, if a newer release has signed rows that this one cannot sign again.
        Raises `Unavailable` if a live worker does not learn a new key in time; call it again to continue.
        """
        principal.require_operator()
        with self._storage.read() as unit:
            require_every_signed_table(unit.connection)
        before_us = self._storage.transaction(self._begin, principal)
        while self._clock() < before_us:
            # Wait one tick. Otherwise new keys of this run could count as made before its start.
            time.sleep(_TICK_SECONDS)
        self._instance.learn()
        if self._is_system_key_of(before_us):
            self._system.rotate(principal)
        self._system.move(principal)
        self._secrets.rotate(principal, before_us)
        with self._storage.read() as unit:
            total = count_made_before(unit, before_us) + count_signed_before(unit, self._instance.secret("mac").id)
        walk = Walk(pace, total, progress)
        try:
            self._end_sessions(walk)
            self._look_up_anew(principal, walk)
            self._seal_answers(principal, walk)
            self._seal_people(principal, before_us, walk)
            self._seal_data(principal, before_us, walk)
            self._finish(principal, walk)
        except _OutOfTime:
            return False
        return True

    # -- The stages of a reseal --

    def _begin(self, unit: UnitOfWork, principal: Principal) -> int:
        state = unit.state.hold()
        if state.reseal_from_us is not None:
            return int(state.reseal_from_us)
        # A host whose clock is ahead may have made an old key that looks new.
        now, newest = self._clock(), newest_us(unit)
        if newest > now + CLOCKS_APART_US:
            raise Conflict("A key has a time in the future. Correct the hosts' clocks first.")
        before_us = max(now, newest + 1)
        unit.state.change(state, reseal_from_us=before_us)
        audit.record(unit, principal, Action.KEYS_RESEAL_BEGIN)
        return before_us

    def _is_system_key_of(self, before_us: int) -> bool:
        with self._storage.read() as unit:
            row = unit.user_keys.by_id(unit.state.get().active_system_key_id)
        return row is not None and row.created_us < before_us

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
                _go_on(walk)

    def _look_up_anew(self, principal: Principal, walk: Walk) -> None:
        after: str | None = ""
        while after is not None:
            after = self._storage.transaction(self._look_some_up_anew, principal, after)
            _go_on(walk)

    def _look_some_up_anew(self, unit: UnitOfWork, principal: Principal, after: str) -> str | None:
        rows = unit.credentials.with_lookup(after, BATCH)
        done = sum(self._passkeys.look_up_anew(unit, row) for row in rows if row.kind == FactorKind.PASSKEY)
        if done:
            audit.record(unit, principal, Action.KEYS_RESEAL, details={"passkeys": done})
        return rows[-1].id if rows else None

    def _seal_answers(self, principal: Principal, walk: Walk) -> None:
        for purpose in ANSWERS:
            while count := self._storage.transaction(self._seal_some_answers, purpose):
                walk.add(count)
                _go_on(walk)

    def _seal_some_answers(self, unit: UnitOfWork, purpose: str) -> int:
        own = self._instance.own_keys
        changes: list[tuple[SealedAnswer, ColumnValues]] = []
        for row in answers_before(unit, purpose, own.system_key.id, BATCH):
            scope = row.scope + row.fingerprint
            place = context.stored_answer(self._instance.id, purpose, scope.hex())
            blob = self._instance.seal(place, self._instance.open_blob(place, row.user_key_id, row.blob))
            changes.append((row, {"blob": blob, "user_key_id": own.system_key.id}))
        replace_answers(unit, purpose, changes)
        return len(changes)

    def _seal_people(self, principal: Principal, before_us: int, walk: Walk) -> None:
        after = ""
        while True:
            with self._storage.read() as unit:
                people = users_with_key_before(unit, before_us, after, BATCH)
            if not people:
                return
            for user_id in people:
                walk.add(self._people.rotate_user(principal, user_id, before_us))
                _go_on(walk)
            after = people[-1]

    def _seal_data(self, principal: Principal, before_us: int, walk: Walk) -> None:
        for fetch, work in ((data_keys_before, self._new_data_key), (retired_data_keys, self._move_revisions)):
            after = ""
            while True:
                with self._storage.read() as unit:
                    keys = fetch(unit, before_us, after, BATCH)
                if not keys:
                    break
                for row in keys:
                    work(principal, row, walk)
                    _go_on(walk)
                after = keys[-1].id
        while self._people.drop_idle(principal):
            _go_on(walk)

    def _new_data_key(self, principal: Principal, row: DataKey, walk: Walk) -> None:
        walk.add(self._people.rotate_environment(principal, row))

    def _move_revisions(self, principal: Principal, old: DataKey, walk: Walk) -> None:
        while count := again(self._move_some_revisions, principal, old):
            walk.add(count)
            _go_on(walk)

    def _move_some_revisions(self, principal: Principal, old: DataKey) -> int:
        with self._storage.read() as unit:
            rows = revisions_under(unit, old.id, REVISIONS_AT_ONCE)
            new = unit.data_keys.active(old.environment_id)
            if not rows or new is None:
                return 0
            keys = [self._data_key(unit, row) for row in (old, new)]
        changes: list[RowChange[StoredRevision]] = []
        for row in rows:
            columns: dict[str, ColumnValue] = {"data_key_id": new.id, "generation": row.generation + 1, "blob": None}
            if row.blob is not None:
                place = context.revision(self._instance.id, old.environment_id, row.id, row.number)
                columns["blob"] = seal(keys[1], place, open_blob(keys[0], place, row.blob), padded=True)
            changes.append((row, columns))
        with self._storage.write() as unit:
            same = unchanged(unit, Revisions, rows)
            left = [change for change in changes if change[0].id in same]
            change_many(unit, Revisions, left)
            audit.record(
                unit, principal, Action.KEYS_RESEAL, user_id=old.owner_id, environment_id=old.environment_id,
                details={"revisions": len(left)},
            )  # fmt: skip
        return len(rows)

    def _data_key(self, unit: UnitOfWork, row: DataKey) -> Key:
        user_key = unit.user_keys.by_id(row.user_key_id)
        if user_key is None:
            raise Stale("user_keys")
        owner_key = self._instance.user_key(row.owner_id, user_key)
        ids = (row.owner_id, row.environment_id, row.id)
        return self._instance.keyring.data_key(owner_key, *ids, row.blob)

    def _finish(self, principal: Principal, walk: Walk) -> None:
        """Sign every row again, then refuse the old keys. Repeat if another process still signs with one."""
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
            _go_on(walk)
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


def _go_on(walk: Walk) -> None:
    if walk.is_over():
        raise _OutOfTime()
