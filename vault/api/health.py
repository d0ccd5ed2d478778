"""`/readyz`: whether this worker can do its work. (`/livez` is answered by the front door, before any thread.)"""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from vault.api.calls import services
from vault.errors import VaultLocked
from vault.http import public

blueprint = Blueprint("health", __name__)


@blueprint.get("/readyz")
@public
def ready() -> dict[str, Any]:
    """Ready: the vault is unlocked and its database answers. Raises `VaultLocked`, `DatabaseUnavailable`."""
    if services().instance.locked:
        raise VaultLocked()
    with services().storage.read() as unit:
        unit.state.get()
    return {"status": "ok"}
