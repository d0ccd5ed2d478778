"""The databases of earlier releases, upgraded to this one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import KINDS
from tests.releases.kept import KEPT, Asker, Kept
from tests.releases.running import CHECKOUT, Release
from tests.support.servers import Postgres
from tests.support.vaults import FakeClock
from vault.app import open_vault
from vault.services import Services


@pytest.fixture(scope="session")
def this_release() -> Release:
    """What stands in this checkout."""
    return Release(CHECKOUT)


@dataclass(frozen=True)
class Upgraded:
    """A vault of an earlier release after `strongroom db upgrade`, opened a minute after it was left."""

    kept: Kept
    vault: Services
    clock: FakeClock
    ask: Asker


@pytest.fixture(scope="module", params=[(release, kind) for release in KEPT for kind in KINDS], ids="-".join)
def upgraded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, this_release: Release
) -> Iterator[Upgraded]:
    """Each kept database, for all tests of a module: none of them is in another's way."""
    release, kind = request.param
    kept = Kept.unpacked(release, kind, tmp_path_factory.mktemp(f"{release}-{kind}"), lambda: _new_database(request))
    this_release.command(kept.env, "db", "upgrade")
    clock = kept.clock
    vault = open_vault(kept.settings, clock)
    yield Upgraded(kept, vault, clock, Asker(kept, vault))
    vault.audit.reads.close()
    vault.storage.close()
    if kind == "postgresql":
        request.getfixturevalue("postgres").drop_database(kept.url)


def _new_database(request: pytest.FixtureRequest) -> str:
    # Asked for only here: SQLite alone needs no PostgreSQL.
    server: Postgres = request.getfixturevalue("postgres")
    server.ensure_running()
    return server.create_database()


@pytest.fixture(scope="session")
def unpacked_releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Release]:
    """Each earlier release on a path of its own, by its version."""
    wheels = {name: next(Path(__file__).parent.joinpath(name).glob("*.whl")) for name in KEPT}
    return {name: Release.unpacked(wheel, tmp_path_factory.mktemp(name)) for name, wheel in wheels.items()}
