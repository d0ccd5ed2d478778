"""Drain: the reads that this host's spool holds go into the database; what dead workers have left behind goes too."""

from __future__ import annotations

from vault.observe import metrics
from vault.services import Services


def drain(services: Services) -> None:
    """Bring in what is there. Raises what the database raises; the spool keeps all until it is stored."""
    if services.instance.locked:
        return
    try:
        services.audit.reads.drain()
        services.audit.reads.drain_left_behind()
    finally:
        metrics().spool_bytes.set(services.audit.reads.waiting_bytes)
