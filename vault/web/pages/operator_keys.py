"""Operators' page of the keys: which there are, and the work on them that a request can do; and the vault's lock.

What ends sessions, takes hours or cannot be undone is shown as the command to run on the host.
"""

from __future__ import annotations

from flask import Response

from vault.http import principal, services
from vault.services.keys.locking import lock
from vault.services.keys.rewrapping import Pace
from vault.web.frame.operators import new_operator_blueprint
from vault.web.frame.request import render, see

blueprint = new_operator_blueprint("keys")

_SLICE_SECONDS = 5.0
_WAIT_SECONDS = 10.0
"""How long a form waits for the workers; after that it answers 503, and sent again it goes on."""


@blueprint.get("/operator")
def home() -> Response:
    """The first of these pages."""
    return see("/operator/keys")


@blueprint.get("/operator/keys")
def show_keys() -> Response:
    """Each version of the master key, the workers, and how far a rotation has come."""
    keys = services().keys
    left = keys.rewrapping.left(principal())
    return render("operator_keys.html", keys=keys.master.status(principal()), left=left, tab="keys")


@blueprint.post("/operator/keys/rotate")
def rotate() -> Response:
    """Make a new version of the master key the active one; what waits from an earlier try goes on."""
    services().keys.master.rotate(principal(), wait_seconds=_WAIT_SECONDS)
    return see("/operator/keys", "key-rotated")


@blueprint.post("/operator/keys/rewrap")
def rewrap() -> Response:
    """Move user keys under the active version for a few seconds; the same again goes on."""
    rewrapping = services().keys.rewrapping
    done = rewrapping.run(principal(), Pace(None, _SLICE_SECONDS))
    if done.broken:
        return see("/operator/keys", "key-broken")
    return see("/operator/keys", "key-rewrapping" if rewrapping.left(principal()) else "key-rewrapped")


@blueprint.post("/operator/keys/<int:version>/retire")
def retire(version: int) -> Response:
    """Disable a version that nothing refers to."""
    services().keys.master.retire(principal(), version)
    return see("/operator/keys", "key-retired")


@blueprint.post("/operator/keys/<int:version>/restore")
def restore(version: int) -> Response:
    """Enable a retired version again."""
    services().keys.master.restore(principal(), version)
    return see("/operator/keys", "key-restored")


@blueprint.get("/operator/lock")
def show_lock() -> Response:
    """What locking does."""
    return render("operator_lock.html", is_locked=False, tab="lock")


@blueprint.post("/operator/lock")
def lock_vault() -> Response:
    """Lock the vault. This answer is the last one: from now on every worker answers that it is locked."""
    change = lock(services().storage, principal())
    return render("operator_lock.html", is_locked=True, warning=change.warning, tab="lock")
