"""What all pages of one environment share: its frame, and what a change says of what it was made on."""

from __future__ import annotations

import contextlib
from typing import Any

from vault.errors import NotFound
from vault.http import principal, services
from vault.model.action import Action
from vault.model.environment import Environment
from vault.services.environments.variables import Precondition
from vault.web.frame.home import called, home_of


def frame(environment: Environment, tab: str) -> dict[str, Any]:
    """What every page of one environment is told: it, what it is called, where it lives, and which of its pages."""
    return {"environment": environment, "called": called(environment), "home": home_of(environment), "tab": tab}


def read_before(etag: str) -> Precondition:
    """What a page was made of: an ETag, or nothing where there was nothing to read."""
    return Precondition(match=etag) if etag else Precondition(none=True)


def changed_since(env: str | None, revision: Any) -> dict[str, Any]:
    """What others have saved since `revision`, by name, and what a save that still goes on top of it must name."""
    listing = services().environments.variables.list(principal(), env)
    now = listing.environment.revision or 0
    changes: list[dict[str, str]] = []
    # The older one may be pruned by now: then only that there is a newer one can be told.
    with contextlib.suppress(NotFound):
        if isinstance(revision, int) and 0 <= revision < now:
            found = services().environments.history.diff(
                principal(), env, now, revision, action=Action.REVISION_COMPARE
            )
            changes = [{"name": change.name, "kind": change.kind} for change in found]
    return {"etag": listing.etag, "revision": now, "changes": changes}
