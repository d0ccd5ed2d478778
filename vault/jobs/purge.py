"""Purge: deletes for good what is past its time."""

from __future__ import annotations

from vault.model.principal import vault_itself
from vault.services import Services


def purge(services: Services) -> dict[str, int]:
    """Delete everything that is past its time. Returns how many of each kind."""
    return services.purging.run(vault_itself("purge"))
