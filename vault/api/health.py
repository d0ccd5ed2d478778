"""`/readyz`: reports whether this worker can work. The front door answers `/livez` without a thread."""

from __future__ import annotations

from flask import Blueprint

from vault.errors import NotReady, VaultLocked
from vault.http import public, services
from vault.model.json_types import JsonObject
from vault.services.readiness import LOCKED, SENTENCES

blueprint = Blueprint("health", __name__)


@blueprint.get("/readyz")
@public
def ready() -> JsonObject:
    """Report that this worker can read, record and write. Raises `VaultLocked`, or `NotReady` with the reasons."""
    health = services().readiness.now()
    if LOCKED in health.reasons:
        raise VaultLocked()
    if not health.ready:
        raise NotReady({reason: SENTENCES[reason] for reason in health.reasons})
    degraded = {reason: SENTENCES[reason] for reason in health.degraded}
    return {"status": "degraded", "degraded": degraded} if degraded else {"status": "ok"}
