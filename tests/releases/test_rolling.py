"""Two releases serve one database side by side, forward and back, under load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import FreshDatabase, Kind
from tests.releases.kept import KEPT
from tests.releases.running import Release
from tests.releases.synthetic import VERSION, next_release
from tests.releases.there_and_back import Journey

BRIDGES = KEPT[KEPT.index("0.1.1") :]
"""The releases that can serve beside a newer one, oldest first."""
PAIRS: list[tuple[str, Kind]] = [(BRIDGES[-1], "postgresql")]
"""A journey takes a minute, so only that of the last release is made here, and only once there and back.

tests/soak/test_rolling.py makes all of them, again and again, and rotates keys on the way.
"""


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return next_release(tmp_path_factory.mktemp("newer"))


@pytest.fixture(params=PAIRS, ids="-".join)
def journey(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    fresh_database: FreshDatabase,
    unpacked_releases: dict[str, Release],
    newer: Release,
) -> Iterator[Journey]:
    bridge, kind = request.param
    with Journey(tmp_path, fresh_database(kind, migrated=False), unpacked_releases[bridge], newer) as made:
        yield made


@pytest.mark.timeout(600)
def test_there_and_back_without_a_failed_request(journey: Journey, newer: Release) -> None:
    assert newer.version == VERSION
    journey.upgrade_beside_the_bridge()
    journey.go_forward()
    journey.keep_a_value_in_the_new_column()
    journey.go_back()
    journey.check()
