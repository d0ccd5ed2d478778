"""Two releases take each other's places under load, again and again: each kept release, on either database.

`make soak`; SOAK_SECONDS (120 by default) is how long each test goes on.
"""

from __future__ import annotations

import time

import pytest

from tests.conftest import KINDS
from tests.releases.conftest import unpacked_releases
from tests.releases.test_rolling import BRIDGES, journey, newer
from tests.releases.there_and_back import Journey

__all__ = ["journey", "newer", "unpacked_releases"]


@pytest.mark.timeout(0)
@pytest.mark.parametrize(
    "journey", [(release, kind) for release in BRIDGES for kind in KINDS], ids="-".join, indirect=True
)
def test_there_and_back_for_a_long_time(journey: Journey, soak_seconds: float) -> None:
    journey.upgrade_beside_the_bridge()
    journey.go_forward()
    journey.keep_a_value_in_the_new_column()
    end = time.monotonic() + soak_seconds
    while time.monotonic() < end:
        journey.go_back()
        journey.rotate()
        journey.go_forward()
    journey.check()
