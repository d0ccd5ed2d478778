"""Purge: deletes items in the bin for good after their time, and removes what has expired."""

from __future__ import annotations

from vault.model.action import Action
from vault.model.clock import DAY_US, SECOND_US
from vault.model.principal import vault_itself
from vault.services import Services, audit
from vault.services.people.throttle import REMEMBERED_US

ENDED_KEPT_US = DAY_US
"""Ended sessions and tokens stay for a day, so that people can still see what they were."""
CHANGES_KEPT_US = 90 * DAY_US
LAPSED_KEPT_US = 600 * SECOND_US

_SHRED_AT_ONCE = 200
"""The most environments in one transaction and event. Each may have thousands of revisions, and other writers wait."""


def purge(services: Services) -> dict[str, int]:
    """Delete everything that is past its time, each kind in its own transaction. Returns how many of each kind."""
    now = services.clock()
    deleted_before = now - services.settings.purge_after_days * DAY_US
    done = {"environments": 0}
    while some := _shred_some(services, deleted_before):
        done["environments"] += some
    with services.storage.write() as unit:
        done["sessions"] = unit.sessions.purge(now - ENDED_KEPT_US)
        done["tokens"] = unit.tokens.purge(now - ENDED_KEPT_US)
    with services.storage.write() as unit:
        done["kept_answers"] = unit.idempotency.purge(now)
        done["wrapped_answers"] = unit.wrapped_answers.purge(now)
        done["challenges"] = unit.challenges.purge(now)
        done["throttle"] = unit.throttle.purge(now)
        done["addresses"] = unit.known_addresses.purge(now - REMEMBERED_US)
        done["changes"] = unit.changes.purge(now - CHANGES_KEPT_US)
        done["workers"] = unit.workers.purge(now - LAPSED_KEPT_US, now + LAPSED_KEPT_US)
    services.storage.empty_log()
    return done


def _shred_some(services: Services, deleted_before_us: int) -> int:
    """Shred environments whose time in the bin is over. Returns how many."""
    with services.storage.write() as unit:
        done = unit.shredding.deleted_before(deleted_before_us, services.clock(), _SHRED_AT_ONCE)
        if done.environments:
            audit.record(unit, vault_itself("purge"), Action.ENVIRONMENT_PURGE, details={"data_keys": done.data_keys})
        return done.environments
