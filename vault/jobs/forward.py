"""Forward: one worker at a time sends new audit events to the target in the settings."""

from __future__ import annotations

from vault.model.clock import SECOND_US
from vault.services import Services

LEASE = "forward"
LEASE_US = 60 * SECOND_US
"""The length of the lease: longer than one batch takes."""


def forward(services: Services, worker_id: str) -> None:
    """Send waiting events, unless another worker does. Writes nothing if no event waits."""
    if services.audit.forwarder.look() is None:
        return
    # The worker keeps the lease during its pauses, so that not every worker tries the target in turn.
    with services.storage.write() as unit:
        if not unit.leases.take(LEASE, worker_id, services.clock(), LEASE_US):
            return
    if services.audit.forwarder.forward():
        services.audit.forwarder.look()
