"""Judges the credentials of those who follow changes, again and again, past every cache.

A stream may stay open for days, and its credential may end meanwhile. The secret itself is not kept for this: the
digests of a follower are compared with the stored one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vault.errors import Forbidden
from vault.model.clock import SECOND_US
from vault.model.principal import Principal, PrincipalKind
from vault.services.own.instance import Instance
from vault.services.people.sessions import Sessions
from vault.services.tokens.holders import TokenHolders
from vault.storage import Session, Token

FollowerKey = tuple[PrincipalKind, str, tuple[bytes, ...], str]


@dataclass(slots=True)
class Follower:
    """A credential that follows changes, from one address.

    `until_us` is when it ends by itself, in microseconds since 1970; None means never. `Judge.again` may move it.
    """

    admitted: Principal = field(repr=False)
    until_us: int | None = None

    @property
    def key(self) -> FollowerKey:
        """Equal for followers about whom `Judge.again` says the same."""
        admitted = self.admitted
        return admitted.kind, admitted.id, admitted.presented_digests, admitted.address


class Judge:
    """Judges followers."""

    def __init__(self, instance: Instance, sessions: Sessions, holders: TokenHolders) -> None:
        self._instance = instance
        self._sessions = sessions
        self._holders = holders

    def admit(self, principal: Principal) -> Follower:
        """Return the follower for a principal that was just authenticated. Raises what `again` raises."""
        follower = Follower(principal)
        self.again(follower)
        return follower

    def again(self, follower: Follower) -> Principal:
        """Return what the follower may do now.

        Raises `NotAuthenticated` if its credential has ended, what `require_no_duty` raises, `Forbidden` for a token
        whose uses are counted, and `VaultLocked`.
        """
        self._instance.require_unlocked()
        if follower.admitted.kind is PrincipalKind.TOKEN:
            principal, token = self._holders.again(follower.admitted)
            follower.until_us = _end_of_token(principal, token)
        elif follower.admitted.kind is PrincipalKind.SESSION:
            principal, session = self._sessions.again(follower.admitted)
            follower.until_us = _end_of_session(session)
        else:
            raise Forbidden()
        principal.require_no_duty()
        return principal


def _end_of_token(principal: Principal, token: Token) -> int | None:
    ends = [token.expires_us, token.previous_until_us if principal.by_replaced_secret else None]
    return min((end for end in ends if end is not None), default=None)


def _end_of_session(session: Session) -> int:
    return min(session.expires_us, session.seen_us + session.idle_seconds * SECOND_US)
