"""Delays jobs that delete by age after the clock jumps, so that one wrong clock destroys nothing.

Otherwise a machine that starts with a wrong clock would purge all deleted environments, and tokens that have not
expired. Each run notes the time. If more than a day has passed since the last run, either the vault did not run or the
clock was set. Then these jobs wait until the vault has run for six more hours in total. By then an operator has been
warned, or the clock is right again.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from vault.model.clock import HOUR_US
from vault.services import Services
from vault.storage import UnitOfWork

log = structlog.get_logger(__name__)

LEAP_US = 26 * HOUR_US
WAIT_US = 6 * HOUR_US
_STEP_MOST_US = HOUR_US
"""Jobs run every ten minutes. After a longer gap, the vault did not run all the time."""

_ACCEPTED, _SEEN, _WAITED = "clock accepted", "clock seen", "clock waited"

Run = Callable[[Services], dict[str, int]]


def explained(run: Run) -> Run:
    """Return the job, changed to do nothing while the clock cannot be trusted."""

    def run_if_explained(services: Services) -> dict[str, int]:
        with services.storage.write() as unit:
            left_us = _left_us(unit, services.clock())
        if left_us:
            log.warning("clock_leapt", deletes_again_in_hours=-(-left_us // HOUR_US))
            return {}
        return run(services)

    return run_if_explained


def _left_us(unit: UnitOfWork, now: int) -> int:
    """Return how long to wait before anything is deleted by age; 0 if the clock is trusted."""
    accepted, seen = unit.leases.until(_ACCEPTED), unit.leases.until(_SEEN)
    unit.leases.put(_SEEN, now)
    waited = unit.leases.until(_WAITED) or 0
    if accepted is not None and now - accepted > LEAP_US:
        step = now - seen if seen is not None else 0
        waited += step if 0 < step <= _STEP_MOST_US else 0
        if waited < WAIT_US:
            unit.leases.put(_WAITED, waited)
            return WAIT_US - waited
    if accepted is None or now > accepted or accepted - now > LEAP_US:
        # The clock went back by more than a day, so it was ahead when it was accepted.
        unit.leases.put(_ACCEPTED, now)
    unit.leases.give_back(_WAITED)
    return 0
