"""Expire: tells the feed of revisions whose deletion time has passed."""

from __future__ import annotations

from vault.model.clock import SECOND_US
from vault.model.principal import vault_itself
from vault.services import Services

LEASE = "expire"
LEASE_US = 60 * SECOND_US


def expire(services: Services, worker_id: str) -> None:
    """Tell of what has expired, unless another worker does. Begins the feed of a vault that was upgraded."""
    if services.instance.locked:
        return
    services.sync.epochs.begin_first()
    with services.storage.write() as unit:
        if not unit.leases.take(LEASE, worker_id, services.clock(), LEASE_US):
            return
    services.sync.expiring.run(vault_itself(LEASE))
