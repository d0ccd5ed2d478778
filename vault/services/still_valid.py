"""Asks once more, inside a transaction, whether the caller's credential still works.

A call is authenticated before its transaction starts. Then it may wait for another transaction that ends the session or
gives the token a new secret. Without this check, the waiting call would go on afterwards, and what it makes would
outlive the credential: a thief who sends calls all the time would keep a new token after "end all my sessions".

Every verb that makes or changes a credential or an account asks this, after it has locked the person.
"""

from __future__ import annotations

from vault.errors import NotAuthenticated
from vault.model.principal import Principal, PrincipalKind
from vault.storage import UnitOfWork


def require_still_valid(unit: UnitOfWork, principal: Principal) -> None:
    """Raise `NotAuthenticated` if the caller's session has ended since it was authenticated, or the token has ended or
    has a new secret.
    """
    if principal.kind is PrincipalKind.SESSION:
        session = unit.sessions.by_id(principal.id)
        if session is None or session.revoked_us is not None:
            raise NotAuthenticated()
    elif principal.kind is PrincipalKind.TOKEN:
        token = unit.tokens.by_id(principal.id)
        if token is None or token.revoked_us is not None or token.digest not in principal.secret_digests:
            raise NotAuthenticated()
