"""Rewrap: after a rotation, slowly wraps user keys with the new master key version."""

from __future__ import annotations

from vault.model.principal import host_operator
from vault.services import Services
from vault.services.pace import Pace

PRINCIPAL = host_operator("jobs")

LEISURE = Pace(per_second=500, seconds=30.0)
"""The pace of this job: slow enough not to disturb requests. `strongroom keys rewrap` works at full speed."""


def rewrap(services: Services) -> dict[str, int]:
    """Rewrap some keys, and make providers destroy versions that the vault has released. Returns how many of each."""
    return {
        "rewrapped": services.keys.rewrapping.run(PRINCIPAL, LEISURE).done,
        "destroyed": services.keys.master.finish_destroying(PRINCIPAL),
    }
