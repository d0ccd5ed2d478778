"""Purging: deletes items in the bin for good after their time, and removes what has expired."""

from __future__ import annotations

from vault.model.action import Action
from vault.model.clock import DAY_US, SECOND_US, Clock
from vault.model.principal import Principal
from vault.services import audit
from vault.services.people.throttle import REMEMBERED_US
from vault.storage import Storage, UnitOfWork

ENDED_KEPT_US = DAY_US
"""Ended sessions and tokens stay for a day, so that people can still see what they were."""
CHANGES_KEPT_LONGER_US = DAY_US
"""Changes stay a day longer than cursors are accepted, so that none is deleted between the check and the read."""
LAPSED_KEPT_US = 600 * SECOND_US

_SHRED_AT_ONCE = 200
"""The most environments in one transaction and event. Each may have thousands of revisions, and other writers wait."""


class Purging:
    """Deletes what is past its time. For operators and the vault itself."""

    def __init__(self, storage: Storage, clock: Clock, *, bin_days: int, changes_days: int) -> None:
        """`bin_days` is how long a deleted environment stays in the bin, `changes_days` how old a cursor may be."""
        self._storage = storage
        self._clock = clock
        self._bin_days = bin_days
        self._changes_kept_us = changes_days * DAY_US + CHANGES_KEPT_LONGER_US

    def run(self, principal: Principal) -> dict[str, int]:
        """Delete everything that is past its time, each kind in its own transaction. Returns how many of each kind."""
        principal.require_operator()
        now = self._clock()
        done = {"environments": 0}
        while some := self._storage.transaction(self._shred_some, principal, now - self._bin_days * DAY_US):
            done["environments"] += some
        done |= self._storage.transaction(_drop_ended, now - ENDED_KEPT_US)
        done |= self._storage.transaction(_drop_expired, now, now - self._changes_kept_us)
        self._storage.empty_log()
        return done

    def _shred_some(self, unit: UnitOfWork, principal: Principal, deleted_before_us: int) -> int:
        """Shred environments whose time in the bin is over. Returns how many."""
        done = unit.shredding.deleted_before(deleted_before_us, self._clock(), _SHRED_AT_ONCE)
        if done.environments:
            audit.record(unit, principal, Action.ENVIRONMENT_PURGE, details={"data_keys": done.data_keys})
        return done.environments


def _drop_ended(unit: UnitOfWork, before_us: int) -> dict[str, int]:
    return {"sessions": unit.sessions.purge(before_us), "tokens": unit.tokens.purge(before_us)}


def _drop_expired(unit: UnitOfWork, now: int, changes_before_us: int) -> dict[str, int]:
    return {
        "kept_answers": unit.idempotency.purge(now),
        "wrapped_answers": unit.wrapped_answers.purge(now),
        "tickets": unit.tickets.purge(now),
        "challenges": unit.challenges.purge(now),
        "throttle": unit.throttle.purge(now),
        "addresses": unit.known_addresses.purge(now - REMEMBERED_US),
        "changes": unit.changes.purge(changes_before_us),
        "workers": unit.workers.purge(now - LAPSED_KEPT_US, now + LAPSED_KEPT_US),
    }
