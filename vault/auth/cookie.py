"""Browser sessions: the cookie `__Host-strongroom`. A session of the API is refused, and a bearer credential
ignored.
"""

from __future__ import annotations

from vault.auth.presented import Presented
from vault.model.credential_headers import SESSION_COOKIE
from vault.model.principal import Principal
from vault.services import Services


def web_session(services: Services, presented: Presented) -> Principal | None:
    """Return the principal of the session in the cookie, or None without one. Raises `NotAuthenticated`."""
    return _session(services, presented, is_use=True)


def web_stream(services: Services, presented: Presented) -> Principal | None:
    """Do the same for a page's stream. It is no use of the session: a page that connects again and again must not keep
    the session of an absent person alive.
    """
    return _session(services, presented, is_use=False)


def _session(services: Services, presented: Presented, *, is_use: bool) -> Principal | None:
    secret = presented.cookies.get(SESSION_COOKIE)
    if not secret:
        return None
    sessions = services.people.sessions
    return sessions.authenticate(secret, "web", presented.address, presented.request_id, is_use=is_use)
