"""A client that talks to a fake, and pauses that take no time."""

from __future__ import annotations

import pytest

from tests.unit.client.fake_transport import FakeTransport
from vault.client import Client


@pytest.fixture
def server() -> FakeTransport:
    return FakeTransport()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were taken, in seconds."""
    taken: list[float] = []
    monkeypatch.setattr("vault.client.caller.time.sleep", taken.append)
    return taken


@pytest.fixture
def client(server: FakeTransport, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> Client:
    for name in ("STRONGROOM_URL", "STRONGROOM_TOKEN", "STRONGROOM_TOKEN_FILE", "STRONGROOM_CA_FILE"):
        monkeypatch.delenv(name, raising=False)
    return Client("https://vault.test", "srm_t_canary", transport=server)
