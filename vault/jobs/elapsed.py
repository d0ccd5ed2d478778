"""What deletes by age waits when the clock leaps: a clock that is wrong once must destroy nothing.

A machine that starts with a wrong clock would otherwise empty everybody's bin, and delete tokens that have not expired.
Each run notes the time. Where over a day has passed since the last one, either nobody ran the vault or the clock was
set. Then these jobs wait until the vault has run for six hours more, in all; by then an operator has been warned, or
the clock is right again.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from vault.services import Services
from vault.services.clock import HOUR_US
from vault.storage import UnitOfWork

log = structlog.get_logger(__name__)

LEAP_US = 26 * HOUR_US
WAIT_US = 6 * HOUR_US
_STEP_MOST_US = HOUR_US
"""Jobs run every ten minutes: a longer gap was no time that the vault ran."""

_ACCEPTED, _SEEN, _WAITED = "clock accepted", "clock seen", "clock waited"

Run = Callable[[Services], dict[str, int]]


def explained(run: Run) -> Run:
    """The job, which does nothing while the clock cannot be trusted."""

    def run_if_explained(services: Services) -> dict[str, int]:
        with services.storage.write() as unit:
            left_us = _left_us(unit, services.clock())
        if left_us:
            log.warning("clock_leapt", deletes_again_in_hours=-(-left_us // HOUR_US))
            return {}
        return run(services)

    return run_if_explained


def _left_us(unit: UnitOfWork, now: int) -> int:
    """How long to wait before anything is deleted by its age; 0 where the time that has passed is explained."""
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
        # It went back by more than a day: it was ahead when it was accepted.
        unit.leases.put(_ACCEPTED, now)
    unit.leases.give_back(_WAITED)
    return 0
