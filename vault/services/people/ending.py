"""Ends a person's sessions, or changes their password, and reports the tokens that the sessions have made.

A person does this because somebody else may have had a session. Its tokens outlive it, so each verb returns them, and
ends them if `end_tokens` is given.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from vault.errors import NotFound
from vault.model.action import Action
from vault.model.clock import Clock
from vault.model.principal import Principal
from vault.services import audit
from vault.services.people.accounts import Accounts, NewPassword
from vault.services.people.finding import find_person, held_as_found
from vault.services.people.sessions import NewSession, Sessions
from vault.services.people.visit import Visit
from vault.services.still_valid import require_still_valid
from vault.services.tokens.ending import MadeToken, end_made, made_by_sessions
from vault.storage import Storage, UnitOfWork


@dataclass(frozen=True, slots=True)
class Ended:
    """How many sessions have ended, and the tokens that the person's sessions have made."""

    sessions: int
    tokens: tuple[MadeToken, ...]
    tokens_ended: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """A changed password. `session` replaces the session that made the call; None if that one continues."""

    session: NewSession | None
    tokens: tuple[MadeToken, ...]
    tokens_ended: bool


class Ending:
    """What people and operators do after a session was stolen."""

    def __init__(
        self, storage: Storage, accounts: Accounts, sessions: Sessions, reads: audit.ReadLog, clock: Clock
    ) -> None:
        self._storage = storage
        self._accounts = accounts
        self._sessions = sessions
        self._reads = reads
        self._clock = clock

    def own(self, unit: UnitOfWork, principal: Principal, *, end_tokens: bool = False) -> Ended:
        """End all of the caller's sessions, also the current one."""
        principal.require_person()
        return self._all(unit, principal, principal.user_id, None, end_tokens)

    def others(self, unit: UnitOfWork, principal: Principal, *, end_tokens: bool = False) -> Ended:
        """End all of the caller's sessions except the current one."""
        principal.require_person()
        return self._all(unit, principal, principal.user_id, principal.id, end_tokens)

    def of_person(self, unit: UnitOfWork, principal: Principal, reference: str, *, end_tokens: bool = False) -> Ended:
        """End all sessions of an account, by name or id. For operators. Raises `NotFound`."""
        principal.require_operator()
        user = held_as_found(unit, find_person(unit, reference))
        require_still_valid(unit, principal)
        return self._all(unit, principal, user.id, None, end_tokens)

    def change_password(
        self, unit: UnitOfWork, principal: Principal, new: NewPassword, visit: Visit, *, end_tokens: bool = False
    ) -> Changed:
        """Change the caller's password. The other sessions end, and this one continues with a new secret.

        Raises `BadLogin` if the password was changed in the meantime.
        """
        principal.require_person()
        account = self._accounts.change_password(unit, principal, new)
        # A person may change the password because a session was stolen, so this session needs a new secret too. With a
        # second factor, the session stays: it was confirmed with both factors a moment ago, and a password alone must
        # not renew it.
        begun = None if account.second_factor else self._sessions.replace(unit, principal, account, visit)
        made = made_by_sessions(unit, principal, principal.user_id, self._clock(), end=end_tokens)
        return Changed(begun, made, end_tokens)

    def made(self, principal: Principal) -> tuple[MadeToken, ...]:
        """Return the active tokens that the caller's sessions have made, oldest first."""
        principal.require_person()
        with self._storage.read() as unit:
            found = made_by_sessions(unit, principal, principal.user_id, self._clock(), end=False)
        self._reads.read(principal, Action.TOKEN_LIST)
        return found

    def end_made(self, unit: UnitOfWork, principal: Principal, token_ids: Collection[str]) -> None:
        """End those of these tokens that the caller's sessions have made and that are still active."""
        principal.require_person()
        unit.users.by_id(principal.user_id, lock=True)
        end_made(unit, principal, principal.user_id, self._clock(), token_ids)

    def _all(self, unit: UnitOfWork, principal: Principal, user_id: str, but: str | None, end_tokens: bool) -> Ended:
        # Lock the account before its sessions, as a login does.
        user = unit.users.by_id(user_id, lock=True)
        if user is None:
            raise NotFound()
        # A new version of the account makes the cookies of its browsers void, and logins that have begun.
        unit.users.change(user)
        ended = self._sessions.revoke_all(unit, user_id, but=but)
        audit.record(unit, principal, Action.SESSION_REVOKE_ALL, user_id=user_id, details={"sessions": ended})
        made = made_by_sessions(unit, principal, user_id, self._clock(), end=end_tokens)
        return Ended(ended, made, end_tokens)
