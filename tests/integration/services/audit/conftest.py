"""A clock that moves with each look, so that the events of a test have an order."""

from __future__ import annotations

import pytest

from tests.support.vaults import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(tick_us=1)
