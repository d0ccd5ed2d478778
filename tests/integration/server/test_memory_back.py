"""What large bodies took goes back to the system."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.integration.server.conftest import SHORT_LIMITS, TOY, get, request
from tests.integration.server.test_limits import memory_mib
from tests.patience import eventually
from tests.serving import RunningServer

MIB = 1024 * 1024


def test_a_worker_is_small_again_after_many_large_bodies(tmp_path: Path) -> None:
    limits = SHORT_LIMITS | {"STRONGROOM_BUFFERED_BYTES": str(256 * MIB), "STRONGROOM_MAX_REQUESTS_IN_FLIGHT": "64"}
    limits |= {"STRONGROOM_MAX_REQUESTS_IN_FLIGHT_PER_CALLER": "64", "STRONGROOM_BODY_TIMEOUT_SECONDS": "60"}
    with RunningServer(tmp_path, limits, factory=TOY) as server:
        pid = get(server, "/pid").json()["pid"]
        assert request(server, "POST", "/store", body=b"x").status == 200
        before = memory_mib(pid)
        with ThreadPoolExecutor(24) as pool:
            statuses = list(pool.map(lambda _: request(server, "POST", "/store", body=b"x" * MIB).status, range(96)))
        assert set(statuses) == {200}
        assert eventually(lambda: memory_mib(pid) - before < 16, within_seconds=30)
