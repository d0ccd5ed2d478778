"""Drain: moves reads from this host's spool into the database, also those that ended workers have left."""

from __future__ import annotations

from vault.observe import metrics
from vault.services import Services


def drain(services: Services) -> None:
    """Store all reads in the spool. Raises the database's errors; the spool keeps everything until it is stored."""
    if services.instance.locked:
        return
    try:
        try:
            services.audit.reads.drain()
        except OSError:
            # One file could not be moved. The files of other workers must not wait for it.
            services.audit.reads.drain_left_behind()
            raise
        services.audit.reads.drain_left_behind()
    finally:
        metrics().spool_bytes.set(services.audit.reads.waiting_bytes)
        metrics().spool_set_aside_bytes.set(services.audit.reads.set_aside_bytes)
