"""Which new tokens need a recent proof of identity: those that a thief of a session would make in order to stay.

A token outlives the session that made it. So a session that was stolen an hour ago must not make one that reaches
everything, makes others, or lives on and on.
"""

from __future__ import annotations

from collections.abc import Sequence

from vault.errors import StepUpRequired
from vault.model.clock import DAY_SECONDS
from vault.model.grant import Grant, Permission
from vault.model.principal import Principal, PrincipalKind
from vault.services.tokens.request import TokenRequest

_EVERYWHERE = "*"
_WRITES = frozenset({Permission.CREATE, Permission.UPDATE, Permission.DELETE})


def require_proof(principal: Principal, request: TokenRequest, grants: Sequence[Grant], days: int, now_us: int) -> None:
    """Raise `StepUpRequired` if a session without a recent proof asks for such a token. `days` is the longest life
    that needs none.
    """
    if principal.kind is not PrincipalKind.SESSION:
        return
    if _ends_within(request, days * DAY_SECONDS) and not any(map(_is_powerful, grants)):
        return
    try:
        principal.require_recent_proof(now_us)
    except StepUpRequired as error:
        raise StepUpRequired(
            f"A token that does not end within {days} days, or has delegate, * or writes to the globals, needs a proof "
            "of your identity from the last five minutes. Confirm your identity, or log in again."
        ) from error


def _ends_within(request: TokenRequest, seconds: int) -> bool:
    # Each renewal moves the end of a renewable token, up to its maximum lifetime.
    limits = [request.max_ttl_seconds] if request.renewable else [request.ttl_seconds, request.max_ttl_seconds]
    return any(limit is not None and limit <= seconds for limit in limits)


def _is_powerful(grant: Grant) -> bool:
    writes_globals = grant.globals and bool(_WRITES & grant.permissions)
    return Permission.DELEGATE in grant.permissions or grant.path == _EVERYWHERE or writes_globals
