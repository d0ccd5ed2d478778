"""What the feed tells of random changes is exactly what `values` and `get` would have shown."""

from __future__ import annotations

import pytest

from tests.support.feed_oracle import World, watch
from tests.support.vaults import HOST
from vault.model.principal import Principal
from vault.services import Services
from vault.services.audit import ReadLog

STEPS = 20


@pytest.mark.parametrize("seed", range(2))
def test_the_feed_tells_what_could_be_read(
    vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    vault.keys.upgrading.open(HOST)
    # Thousands of reads are noted here. Their audit is not what is tested.
    monkeypatch.setattr(ReadLog, "read", lambda *_arguments, **_options: None)
    world = World(vault, ada, seed)
    watch(world, STEPS)
    assert len(world.done) > STEPS / 2
