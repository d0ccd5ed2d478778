"""Clients that talk to a fake, and pauses that take no time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.client.fake_transport import FakeTransport
from tests.unit.client.in_loop import in_loop
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


@pytest.fixture(params=["synchronous", "asynchronous"])
def client(
    request: pytest.FixtureRequest, server: FakeTransport, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    """Both clients, one after the other: the asynchronous one looks like the other here."""
    for name in ("STRONGROOM_URL", "STRONGROOM_TOKEN", "STRONGROOM_TOKEN_FILE", "STRONGROOM_CA_FILE"):
        monkeypatch.delenv(name, raising=False)
    if request.param == "synchronous":
        yield Client("https://vault.test", "srm_t_canary", transport=server)
        return
    with in_loop(server, monkeypatch, pauses) as found:
        yield found
