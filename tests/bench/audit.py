"""Measures how much the audit slows reads, and how fast it is verified."""

from __future__ import annotations

import uuid
from contextlib import ExitStack

from tests.bench import cases
from tests.bench.cases import Measured, in_turn, median_of, rate_ratio
from tests.bench.stores import SIZES, Store
from tests.bench.table import Line, at_least
from vault import settings
from vault.app import open_vault
from vault.model.clock import now_us
from vault.model.event import SpooledEvent
from vault.services import Services
from vault.services.audit.record import event_id, salted

_CLIENTS = (1, 8, 32)
_EVENTS = 150_000
_BATCH = 5000
_VERIFIED_A_SECOND = 100_000
_KEPT_OF_READS = 0.85


def cost(recorded: Measured) -> list[Line]:
    """Compare recorded reads with the same reads on a second server over the same vault, which records none."""
    text, lines = recorded.values(SIZES[0]), []
    with ExitStack() as stack:
        silent = Measured(
            recorded.name, recorded.store, recorded.directory, recorded.clients, stack, cases.UNAUDITED_FACTORY
        )
        for clients in _CLIENTS:
            rounds = in_turn([lambda: recorded.phase(text, clients), lambda: silent.phase(text, clients)])  # noqa: B023 - run at once.
            figures = " against ".join(
                f"{median_of(rounds, phase, 0):,.0f}/s ({median_of(rounds, phase, 1):.0f} µs)" for phase in (0, 1)
            )
            case = f"reads that are audited against reads that are not, {clients} at once"
            lines.append(at_least(case, recorded.name, figures, rate_ratio(rounds, 0, 1), _KEPT_OF_READS))
    return lines


def verification(name: str, store: Store) -> list[Line]:
    """Measure `audit verify` over many events."""
    vault = open_vault(settings.load(store.env))
    try:
        _fill(vault, _EVENTS)
        report = vault.audit.verifier.verify()
    finally:
        vault.storage.close()
    # SQL added the store's other people, so no event mentions them.
    assert not any(fault.startswith("Event") for fault in report.faults), report.faults
    rate = report.size / report.seconds
    figures = f"{rate:,.0f} events a second, {report.size:,} in all"
    return [at_least("audit verify", name, figures, rate / _VERIFIED_A_SECOND, 1.0)]


def _fill(vault: Services, count: int) -> None:
    place, request = str(uuid.uuid4()), str(uuid.uuid4())
    read = SpooledEvent(
        at_us=now_us(),
        user_id=place,
        actor_id=place,
        actor="token:aaaaaaaaaaaa",
        action="values.read",
        result="ok",
        environment_id=place,
        revision=1,
        blob_sha256=None,
        request_id=request,
        details="",
        rows="",
        address="192.0.2.1",
        names="",
    )
    for _ in range(0, count, _BATCH):
        events = [
            salted(str(event_id(now_us())), read._replace(at_us=now_us()), is_forgotten=False) for _ in range(_BATCH)
        ]
        with vault.storage.write() as unit:
            vault.audit.tree.append(unit, events)
