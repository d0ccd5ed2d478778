"""Upgrade: what a newer release's migration has left to do once the last worker of the older one has gone."""

from __future__ import annotations

from vault.jobs.rewrap import LEISURE, PRINCIPAL
from vault.services import Services


def open_formats(services: Services) -> dict[str, int]:
    """Open the row formats that every living worker knows; how many."""
    return {"opened": services.upgrading.open(PRINCIPAL)}


def sign_again(services: Services) -> dict[str, int]:
    """Sign rows of older formats again; how many."""
    return {"signed": services.upgrading.sign_again(PRINCIPAL, LEISURE)}
