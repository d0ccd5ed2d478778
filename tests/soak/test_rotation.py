"""Rotation at full size: 100,000 accounts under load, twenty kills, hundreds of histories. `make soak` runs it."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import FreshDatabase
from tests.soak.rotation_load import Outcome, load, percentile
from tests.support.crowds import add_crowd
from tests.support.key_machine import KeyMachine
from tests.support.rotating import kill_somewhere, open_everything, start_command
from tests.support.vaults import (
    HOST,
    add_environment,
    add_person,
    make_settings,
    make_vault,
    opened_again,
    patch,
    run_sql,
)
from vault.app import prepare_vault
from vault.services.pace import Pace
from vault.settings import Settings

ACCOUNTS = 100_000
KILLS = 20
SLICE_SECONDS = 15.0
KINDS = ("read", "read", "read", "read", "write", "write", "write", "write")


def tell(figures: str) -> None:
    """What is reported when the soak ends; pytest shows it with `-s`, and after a failure."""
    sys.stdout.write(f"\n{figures}\n")


@pytest.mark.timeout(1800)
def test_a_hundred_thousand_keys_are_rewrapped_and_nobody_notices(tmp_path: Path, database_url: str) -> None:
    vault = make_vault(tmp_path, database_url)
    people = [add_person(vault, f"person-{number}") for number in range(4)]
    for person in people:
        add_environment(vault, person, "prod", A="0")
    add_crowd(vault, ACCOUNTS)
    with load(vault.settings, people, KINDS) as flipped:
        vault.keys.master.rotate(HOST)
    quiet, busy, done = list[Outcome](), [*flipped], 0
    # In turn, so that whatever else the machine does meets both alike.
    while vault.keys.rewrapping.left(HOST):
        with load(vault.settings, people, KINDS) as outcomes:
            time.sleep(SLICE_SECONDS)
        quiet += outcomes
        with load(vault.settings, people, KINDS) as outcomes:
            done += vault.keys.rewrapping.run(HOST, Pace(per_second=1000, seconds=SLICE_SECONDS)).done
        busy += outcomes
    reads = [percentile([each for each in outcomes if each.kind == "read"], 0.99) * 1e3 for outcomes in (quiet, busy)]
    tell(f"{done:,} keys; reads' p99 {reads[0]:.1f} ms before, {reads[1]:.1f} ms meanwhile")
    assert [outcome.failures for outcome in (*quiet, *busy)] == [[]] * len(quiet + busy)
    assert done == ACCOUNTS + 5
    assert vault.keys.rewrapping.left(HOST) == 0
    assert reads[1] <= 2 * reads[0]
    with opened_again(vault) as again:
        open_everything(again)
    vault.storage.close()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("command", ["rewrap", "reseal"])
def test_killed_twenty_times_it_resumes_and_loses_nothing(tmp_path: Path, database_url: str, command: str) -> None:
    vault = make_vault(tmp_path, database_url)
    ada = add_person(vault)
    add_environment(vault, ada, "prod", A="0")
    for number in range(60):
        patch(vault, ada, "prod", A=str(number))
    add_crowd(vault, 3000 if command == "reseal" else 20_000)
    if command == "rewrap":
        vault.keys.master.rotate(HOST)
    words = ["keys", command, "--max-per-second", "1500", *(["--yes"] if command == "reseal" else [])]

    def events() -> int:
        return int(run_sql(vault, "SELECT COUNT(*) FROM audit_events")[0][0])

    killed = kill_somewhere(vault, words, events, times=KILLS, chance=random.Random(3))
    told = start_command(vault, "keys", command, *words[4:]).communicate()[1].decode()
    tell(f"{command}: killed {killed} times at work; then: {told.splitlines()[-1]}")
    assert killed >= KILLS // 2
    assert vault.keys.rewrapping.left(HOST) == 0
    if command == "rewrap":
        assert {row[0] for row in run_sql(vault, "SELECT generation FROM user_keys")} == {2}
    with opened_again(vault) as again:
        assert open_everything(again) == 60
    vault.storage.close()


@pytest.mark.timeout(3600)
def test_hundreds_of_histories(tmp_path: Path, fresh_database: FreshDatabase) -> None:
    def begin() -> Settings:
        chosen = make_settings(tmp_path, fresh_database("sqlite"))
        prepare_vault(chosen)
        return chosen

    makers = {"copy": begin, "empty": lambda: fresh_database("sqlite")}
    machine = type("Machine", (KeyMachine,), {name: staticmethod(maker) for name, maker in makers.items()})
    chosen = settings(
        max_examples=300,
        stateful_step_count=30,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=chosen)
