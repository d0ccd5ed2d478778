"""Tells of revisions whose deletion time has passed: nobody writes anything then, but their values are gone.

Each is told once. How far the job has come is stored, so it goes on after any pause. It destroys nothing, so it needs
not wait after a jump of the clock: values are gone by the same clock. If the clock was ahead and is put back, they can
be read again, and they are told again when their time comes.
"""

from __future__ import annotations

from vault.model.action import Action
from vault.model.clock import CLOCKS_DIFFER_US, DAY_US, MINUTE_US, SECOND_US, Clock
from vault.model.principal import Principal
from vault.services import audit
from vault.storage import Storage, UnitOfWork
from vault.storage.walks.expiry import expired_between

MARGIN_US = SECOND_US
"""Time that must pass after the deletion time. By then the clocks of other hosts have come there too."""

_AT_ONCE = 100
_SEEN = "expiry seen"
_NOTED_EVERY_US = MINUTE_US


class Expiring:
    """Adds changes to the feed for what has expired. For the vault itself."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    def run(self, principal: Principal) -> int:
        """Tell of everything that has expired since the last run. Returns how many revisions."""
        principal.require_operator()
        until_us = self._clock() - MARGIN_US
        with self._storage.read() as unit:
            seen_us = unit.leases.until(_SEEN)
            after_us = _begin(seen_us, until_us)
            is_any = bool(expired_between(unit, after_us, until_us, 1))
        told = 0
        while is_any:
            some = self._storage.transaction(self._tell_some, principal, after_us, until_us)
            told, is_any = told + some, some == _AT_ONCE
        if told or seen_us is None or not 0 <= until_us - seen_us < _NOTED_EVERY_US:
            self._storage.transaction(_note, until_us)
        return told

    def _tell_some(self, unit: UnitOfWork, principal: Principal, after_us: int, until_us: int) -> int:
        found = expired_between(unit, after_us, until_us, _AT_ONCE)
        # Lock the people in the order of their ids, then look again: a person may have written in the meantime.
        numbers = {owner: unit.users.next_change(owner) for owner in dict.fromkeys(row.owner_id for row in found)}
        ids = [row.environment_id for row in found]
        # The time of the run, not of this moment: a change that is dated later than the run does not count as told.
        at_us = until_us + MARGIN_US
        for owner, environment, number in expired_between(unit, after_us, until_us, _AT_ONCE, among=ids):
            seq = numbers.pop(owner, None) or unit.users.next_change(owner)
            action = Action.REVISION_EXPIRE
            unit.changes.add(owner, seq, action, environment, number, at_us)
            audit.record(unit, principal, action, user_id=owner, environment_id=environment, revision=number)
        return len(found)


def _begin(seen_us: int | None, until_us: int) -> int:
    """Return from where to look. Revisions that were told of already are left out there."""
    if seen_us is None:
        seen_us = until_us
    if seen_us > until_us + CLOCKS_DIFFER_US:
        # The clock was ahead and has been put back. What was told before that counts, if it is less than a day ago.
        return until_us - DAY_US
    # The host that wrote a revision may have a slower clock than the one that looked.
    return min(seen_us, until_us) - CLOCKS_DIFFER_US


def _note(unit: UnitOfWork, until_us: int) -> None:
    unit.leases.put(_SEEN, until_us)
