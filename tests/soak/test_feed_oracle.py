"""The feed and its oracle, with new random changes until the time is over."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.conftest import KINDS, FreshDatabase, Kind
from tests.support.feed_oracle import World, watch
from tests.support.vaults import HOST, add_person, make_vault
from vault.services.audit import ReadLog

STEPS = 40


@pytest.mark.parametrize("kind", KINDS)
def test_the_feed_tells_what_could_be_read(
    kind: Kind, fresh_database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soak_seconds: float
) -> None:
    vault = make_vault(tmp_path, fresh_database(kind))
    vault.keys.upgrading.open(HOST)
    monkeypatch.setattr(ReadLog, "read", lambda *_arguments, **_options: None)
    end, done = time.monotonic() + soak_seconds, 0
    while not done or time.monotonic() < end:
        watch(World(vault, add_person(vault, f"person-{done}"), random.getrandbits(32)), STEPS)
        done += 1
    vault.storage.close()
