"""Sequence: gives events that were stored with changes their places in the tree."""

from __future__ import annotations

from vault.model.clock import SECOND_US
from vault.services import Services

LEASE = "sequence"
LEASE_US = 10 * SECOND_US


def sequence(services: Services, worker_id: str) -> None:
    """Give places to new events, unless another worker does. Writes nothing if there are no new events."""
    if services.instance.locked:
        return
    with services.storage.read() as unit:
        if not unit.audit_events.has_waiting():
            return
    with services.storage.write() as unit:
        if not unit.leases.take(LEASE, worker_id, services.clock(), LEASE_US):
            return
        services.audit.tree.sequence(unit)
