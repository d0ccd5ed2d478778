"""The operators' page of the keys and the vault's lock. It offers the work that a request can do.

For work that ends sessions, takes hours or cannot be undone, it shows the command to run on the host.
"""

from __future__ import annotations

from flask import Response

from vault.errors import InvalidInput
from vault.http import principal, services
from vault.services.keys.locking import lock
from vault.services.keys.workers import REQUEST_WAIT_SECONDS
from vault.services.pace import REQUEST_SECONDS, Pace
from vault.web.frame.operators import new_operator_blueprint
from vault.web.frame.problems import refused
from vault.web.frame.request import field, render, see

blueprint = new_operator_blueprint("keys")


@blueprint.get("/operator")
def home() -> Response:
    """Redirect to the page of the keys."""
    return see("/operator/keys")


@blueprint.get("/operator/keys")
def show_keys() -> Response:
    """Show each version of the master key, the workers, and the progress of a rotation."""
    keys = services().keys
    left = keys.rewrapping.left(principal())
    return render("operator_keys.html", keys=keys.master.status(principal()), left=left, tab="keys")


@blueprint.post("/operator/keys/rotate")
def rotate() -> Response:
    """Make a new version of the master key and activate it. If an earlier try left one waiting, continue with
    that one.
    """
    services().keys.master.rotate(principal(), wait_seconds=REQUEST_WAIT_SECONDS)
    return see("/operator/keys", "key-rotated")


@blueprint.post("/operator/keys/rewrap")
def rewrap() -> Response:
    """Rewrap user keys under the active version for a few seconds. Sending the form again continues."""
    rewrapping = services().keys.rewrapping
    done = rewrapping.run(principal(), Pace(None, REQUEST_SECONDS))
    if done.broken:
        return see("/operator/keys", "key-broken")
    return see("/operator/keys", "key-rewrapping" if rewrapping.left(principal()) else "key-rewrapped")


@blueprint.post("/operator/keys/<int:version>/retire")
def retire(version: int) -> Response:
    """Retire a version that nothing uses."""
    services().keys.master.retire(principal(), version)
    return see("/operator/keys", "key-retired")


@blueprint.post("/operator/keys/<int:version>/restore")
def restore(version: int) -> Response:
    """Enable a retired version again."""
    services().keys.master.restore(principal(), version)
    return see("/operator/keys", "key-restored")


@blueprint.get("/operator/lock")
def show_lock() -> Response:
    """Show what locking does."""
    return render("operator_lock.html", is_locked=False, faults={}, tab="lock")


@blueprint.post("/operator/lock")
def lock_vault() -> Response:
    """Lock the vault, after a word was typed. After this answer, every worker answers that the vault is locked."""
    if field("confirm").strip().lower() != "lock":
        error = InvalidInput("To lock the vault, type lock.", path="confirm")
        faults = {error.path: error.message}
        return render("operator_lock.html", refused(error), is_locked=False, faults=faults, tab="lock")
    change = lock(services().storage, principal())
    return render("operator_lock.html", is_locked=True, warning=change.warning, tab="lock")
