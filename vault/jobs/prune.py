"""Prune: deletes events that are older than the operator's limit. Verification still works."""

from __future__ import annotations

from vault.model.clock import DAY_US
from vault.model.principal import vault_itself
from vault.services import Services


def prune(services: Services) -> dict[str, int]:
    """Delete events that are older than `audit_keep_days`. Returns how many."""
    days = services.settings.audit_keep_days
    if not days:
        return {}
    return {"events": services.audit.trail.prune(vault_itself("prune"), services.clock() - days * DAY_US)}
