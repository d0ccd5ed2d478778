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
    secret = presented.cookies.get(SESSION_COOKIE)
    if not secret:
        return None
    return services.people.sessions.authenticate(secret, "web", presented.address, presented.request_id)
