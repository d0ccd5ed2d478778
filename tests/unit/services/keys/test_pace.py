"""How fast a walk over many rows goes."""

from __future__ import annotations

import time

from tests.support.patience import in_time
from vault.services.pace import Pace, Walk, no_progress


def test_a_slow_pace_never_waits_far_beyond_the_time_that_was_given() -> None:
    """Five hundred at once at one a second would hold a thread of the server for eight minutes."""
    started = time.monotonic()
    walk = Walk(Pace(per_second=1, seconds=0.1), 500, no_progress)
    walk.add(500)
    assert in_time(time.monotonic() - started, 5)
    assert walk.is_over()
