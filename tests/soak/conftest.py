"""What the soak shares with the tests of faults."""

from __future__ import annotations

import os

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long each test goes on."""
    parser.addoption("--soak-seconds", type=float, default=float(os.environ.get("SOAK_SECONDS", "120")))


@pytest.fixture
def soak_seconds(request: pytest.FixtureRequest) -> float:
    """How long one test goes on, without its beginning and its end."""
    return float(request.config.getoption("--soak-seconds"))
