"""What the feed tells of random changes is exactly what `values` and `get` would have shown.

tests/soak/test_feed_oracle.py goes on for longer, with other changes.
"""

from __future__ import annotations

import pytest

from tests.support.feed_oracle import World, watch
from tests.support.vaults import HOST
from vault.model.principal import Principal
from vault.services import Services
from vault.services.audit import ReadLog

SEED, STEPS = 0, 20


def test_the_feed_tells_what_could_be_read(vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.keys.upgrading.open(HOST)
    # Thousands of reads are noted here. Their audit is not what is tested.
    monkeypatch.setattr(ReadLog, "read", lambda *_arguments, **_options: None)
    world = World(vault, ada, SEED)
    watch(world, STEPS)
    assert len(world.done) > STEPS / 2
