"""The bridge and the release after it serve one database side by side, forward, back and forward again, under load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import KINDS, FreshDatabase, Kind
from tests.releases.running import Release
from tests.releases.synthetic import VERSION, copied_package, next_release
from tests.releases.there_and_back import Journey

BRIDGE = "0.1.1"
"""The oldest release that serves beside a newer one."""


@pytest.fixture(scope="session")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """The bridge's wheel; until it is kept, this checkout on a path of its own."""
    folder = tmp_path_factory.mktemp("bridge")
    wheels = list(Path(__file__).parent.joinpath(BRIDGE).glob("*.whl"))
    return Release.unpacked(wheels[0], folder) if wheels else copied_package(folder)


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return next_release(tmp_path_factory.mktemp("newer"))


@pytest.fixture(params=KINDS)
def journey(
    request: pytest.FixtureRequest, tmp_path: Path, fresh_database: FreshDatabase, bridge: Release, newer: Release
) -> Iterator[Journey]:
    kind: Kind = request.param
    with Journey(tmp_path, fresh_database(kind, migrated=False), bridge, newer) as made:
        yield made


@pytest.mark.timeout(600)
def test_there_and_back_and_there_again_without_a_failed_request(journey: Journey, newer: Release) -> None:
    assert newer.version == VERSION
    journey.upgrade_beside_the_bridge()
    journey.go_forward()
    journey.keep_a_value_in_the_new_column()
    journey.rotate()
    journey.go_back()
    journey.go_forward()
    journey.check()
