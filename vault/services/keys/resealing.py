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

`reseal_logins.py` has the stages of sessions and passkeys, `reseal_content.py` those of answers, people and data, and
`reseal_rows.py` the last two.

"Old" means made before the start of the reseal. The start is the only stored progress; it is in the state's row. So
the reseal continues after any crash, and two runs at once share the work. A digest of a token can only be made from
the token's text, so it is replaced at the token's next use. A token that is not used within the grace period is
refused for good.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from vault.errors import Conflict
from vault.model.action import Action
from vault.model.clock import SECOND_US, Clock
from vault.model.principal import Principal
from vault.services import audit
from vault.services.keys.secrets import SecretRotation
from vault.services.keys.system import SystemRotation
from vault.services.own.instance import Instance
from vault.services.pace import FULL_SPEED, OutOfTime, Pace, Progress, Walk, no_progress
from vault.storage import Storage, UnitOfWork
from vault.storage.database.newer_tables import require_every_signed_table
from vault.storage.walks.reseal_walk import count_made_before, count_signed_before, count_tokens_under, newest_us

CLOCKS_APART_US = 60 * SECOND_US

_TICK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class ResealStatus:
    """The state of a reseal. `tokens_left` were not used since its start; they are refused from `refused_us` on."""

    began_us: int | None
    tokens_left: int
    refused_us: int | None


class Stage(Protocol):
    """Some stages of a reseal. Each finds what is left of it in the database."""

    def run(self, principal: Principal, before_us: int, walk: Walk) -> None:
        """Replace what was made before `before_us`, and count it. Raises `OutOfTime`."""


class Resealing:
    """Seals everything with new keys. For operators."""

    def __init__(
        self,
        storage: Storage,
        instance: Instance,
        system: SystemRotation,
        secrets: SecretRotation,
        stages: Sequence[Stage],
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._instance = instance
        self._system = system
        self._secrets = secrets
        self._stages = stages
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
            for stage in self._stages:
                stage.run(principal, before_us, walk)
        except OutOfTime:
            return False
        return True

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
