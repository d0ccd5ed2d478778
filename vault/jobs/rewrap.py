"""Rewrap: user keys that a rotation has left under an older master key version move on by themselves, at leisure."""

from __future__ import annotations

from vault.model.principal import host_operator
from vault.services import Services
from vault.services.keys.rewrapping import Pace

PRINCIPAL = host_operator("jobs")

LEISURE = Pace(per_second=500, seconds=30.0)
"""Slow enough that nobody notices; `strongroom keys rewrap` does it at once."""


def rewrap(services: Services) -> dict[str, int]:
    """Move some keys, and have providers destroy what the vault has let go; how many of each."""
    return {
        "rewrapped": services.keys.rewrapping.run(PRINCIPAL, LEISURE).done,
        "destroyed": services.keys.master.finish_destroying(PRINCIPAL),
    }
