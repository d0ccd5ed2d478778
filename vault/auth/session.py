"""Sessions of the API and the command: `Authorization: Bearer srm_s_…`. A browser session is refused."""

from __future__ import annotations

from vault.auth.presented import Presented
from vault.crypto import TokenKind
from vault.errors import NotAuthenticated
from vault.model.principal import Principal
from vault.services import Services

_PREFIX = TokenKind.SESSION.prefix


def api_session(services: Services, presented: Presented) -> Principal | None:
    """Return the session's principal, or None if the credential does not have the form of a session."""
    return session_of(services, presented, presented.bearer)


def session_of(services: Services, presented: Presented, text: str) -> Principal | None:
    """Do the same for a credential that was found in another header."""
    if not text.startswith(_PREFIX):
        return None
    return services.people.sessions.authenticate(text, "api", presented.address, presented.request_id)


def ended_session(services: Services, presented: Presented) -> Principal:
    """Return the principal of a session that was replaced a moment ago. Raises `NotAuthenticated`."""
    if not presented.bearer.startswith(_PREFIX):
        raise NotAuthenticated()
    return services.people.sessions.authenticate_ended(presented.bearer, "api", presented.address, presented.request_id)
