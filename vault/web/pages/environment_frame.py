"""What all pages of one environment share: the frame, and the check for changes by others."""

from __future__ import annotations

from vault.http import principal, services
from vault.model.environment import Environment, EnvironmentRef
from vault.services.environments.variables import Precondition
from vault.web.frame.addresses import called, home_of


def frame(environment: Environment, tab: str) -> dict[str, object]:
    """Return what every page of one environment needs: the environment, its name, its URL, and the active tab."""
    return {"environment": environment, "called": called(environment), "home": home_of(environment), "tab": tab}


def read_before(etag: str) -> Precondition:
    """Return the precondition for a page's ETag. An empty ETag means that there was no revision."""
    return Precondition(match=etag) if etag else Precondition(none=True)


def changed_since(env: EnvironmentRef, revision: int) -> dict[str, object]:
    """Return what others have saved since `revision`, by name, and the ETag for a save on top of it."""
    news = services().environments.history.news(principal(), env, revision)
    listing = news.listing
    # If the older revision has been pruned, report only that there is a newer one.
    return {"etag": listing.etag, "revision": listing.environment.revision or 0, "changes": news.changes or ()}
