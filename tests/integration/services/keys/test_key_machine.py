"""The state machine of `tests/support/key_machine.py`, for a little while on each kind of database."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import FreshDatabase, Kind
from tests.integration.conftest import Copy
from tests.support.key_machine import KeyMachine


@pytest.mark.parametrize(("kind", "examples"), [("sqlite", 6), ("postgresql", 2)])
def test_whatever_happens_to_keys_everything_acknowledged_opens(
    copied_vault: Copy, fresh_database: FreshDatabase, kind: Kind, examples: int
) -> None:
    makers = {"copy": lambda: copied_vault(kind), "empty": lambda: fresh_database(kind)}
    machine = type("Machine", (KeyMachine,), {name: staticmethod(maker) for name, maker in makers.items()})
    chosen = settings(
        max_examples=examples,
        stateful_step_count=14,
        deadline=None,
        # To shrink what takes seconds takes minutes; the steps are printed in any case.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=chosen)
