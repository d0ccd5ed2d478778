"""Upgrade: the work that is left after a migration, once the last worker of the older release has ended."""

from __future__ import annotations

from vault.jobs.rewrap import LEISURE, PRINCIPAL
from vault.services import Services


def open_formats(services: Services) -> dict[str, int]:
    """Open the row formats that every running worker knows. Returns how many."""
    return {"opened": services.keys.upgrading.open(PRINCIPAL)}


def sign_again(services: Services) -> dict[str, int]:
    """Sign rows of older formats again. Returns how many."""
    return {"signed": services.keys.upgrading.sign_again(PRINCIPAL, LEISURE)}
