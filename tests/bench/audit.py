"""Measures how much the audit slows reads, and how fast it is verified."""

from __future__ import annotations

import secrets
import time
import uuid
from contextlib import ExitStack

from tests.bench import cases
from tests.bench.cases import Measured, in_turn, median_of, rate_ratio
from tests.bench.stores import SIZES, Store
from tests.bench.table import Line, at_least
from vault import settings
from vault.app import open_vault
from vault.model.event import Event, commit
from vault.services import Services

CLIENTS = (1, 8, 32)
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
        for clients in CLIENTS:
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
        fill(vault, _EVENTS)
        events, seconds = verify(vault)
    finally:
        vault.storage.close()
    rate = events / seconds
    figures = f"{rate:,.0f} events a second, {events:,} in all"
    return [at_least("audit verify", name, figures, rate / _VERIFIED_A_SECOND, 1.0)]


def verify(vault: Services) -> tuple[int, float]:
    """Verify all events once: how many, and in how many seconds."""
    report = vault.audit.verifier.verify()
    # SQL added the store's other people, so no event mentions them.
    assert not any(fault.startswith("Event") for fault in report.faults), report.faults
    return report.size, report.seconds


def fill(vault: Services, count: int) -> None:
    """Add events. It uses little of `vault`, because older commits run it too."""
    place, request, address, salt = str(uuid.uuid4()), str(uuid.uuid4()), "192.0.2.1", secrets.token_bytes(16)
    read = Event(
        id="",
        at_us=time.time_ns() // 1000,
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
        address=address,
        names="",
        salt=salt,
        commitment=commit(salt, address, ""),
    )
    first = uuid.uuid4().int >> 1
    for start in range(0, count, _BATCH):
        # Later ids sort later, like those of real events.
        events = [read._replace(id=str(uuid.UUID(int=first + start + number))) for number in range(_BATCH)]
        with vault.storage.write() as unit:
            vault.audit.tree.append(unit, events)
