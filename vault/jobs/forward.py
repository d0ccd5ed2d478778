"""Forward: what is new in the audit goes to where the settings say, by one worker at a time."""

from __future__ import annotations

from vault.services import Services
from vault.services.clock import SECOND_US

LEASE = "forward"
LEASE_US = 60 * SECOND_US
"""Longer than a target may hold one batch up."""


def forward(services: Services, worker_id: str) -> None:
    """Look what waits, and send it unless another worker does. Nothing is written where nothing waits."""
    if services.forwarder.look() is None:
        return
    # The holder keeps the lease through its pauses: one worker tries again, and not each in turn.
    with services.storage.write() as unit:
        if not unit.leases.take(LEASE, worker_id, services.clock(), LEASE_US):
            return
    if services.forwarder.forward():
        services.forwarder.look()
