"""`/readyz`: whether this worker can do its work. (`/livez` is answered by the front door, before any thread.)"""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from vault.errors import NotReady, VaultLocked
from vault.http import public, services
from vault.services.readiness import LOCKED, SENTENCES

blueprint = Blueprint("health", __name__)


@blueprint.get("/readyz")
@public
def ready() -> dict[str, Any]:
    """Ready: this worker can read, record and write. Raises `VaultLocked`, `NotReady` with the reasons."""
    health = services().readiness.now()
    if LOCKED in health.reasons:
        raise VaultLocked()
    if not health.ready:
        raise NotReady({reason: SENTENCES[reason] for reason in health.reasons})
    degraded = {reason: SENTENCES[reason] for reason in health.degraded}
    return {"status": "degraded", "degraded": degraded} if degraded else {"status": "ok"}
