"""Ends tokens, and finds those that a person's sessions have made: a token outlives the session that made it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from vault.model.action import Action
from vault.model.principal import Principal, kind_and_id
from vault.services import audit
from vault.storage import StoredToken, UnitOfWork


@dataclass(frozen=True, slots=True)
class MadeToken:
    """An active token that a session has made. Times are microseconds since 1970."""

    id: str
    name: str
    session_id: str
    created_us: int
    expires_us: int | None
    last_used_us: int | None


def end_token(unit: UnitOfWork, principal: Principal, row: StoredToken, now: int) -> None:
    """End a token and all tokens below it, at once. For services, which have checked the permission."""
    seq = unit.users.next_change(row.user_id)
    unit.tokens.change(row, revoked_us=now)
    end_below(unit, [row.id], now)
    unit.changes.add(row.user_id, seq, Action.TOKEN_REVOKE, None, None, now)
    audit.record(unit, principal, Action.TOKEN_REVOKE, user_id=row.user_id)


def end_below(unit: UnitOfWork, token_ids: Sequence[str], now: int) -> None:
    """End all tokens that these tokens made, and all that those made."""
    level = unit.tokens.children(token_ids)
    while level:
        for token in level:
            unit.tokens.change(token, revoked_us=now)
        level = unit.tokens.children([token.id for token in level])


def made_by_sessions(
    unit: UnitOfWork, principal: Principal, user_id: str, now: int, *, end: bool
) -> tuple[MadeToken, ...]:
    """Return the active tokens that a person's sessions have made, oldest first. With `end`, they have ended.

    These are all sessions that are still stored: active ones, and those that ended within the last day.
    """
    rows = unit.tokens.living_of_sessions(user_id, now)
    if end:
        for row in rows:
            end_token(unit, principal, row, now)
    return tuple(map(_made, rows))


def end_made(unit: UnitOfWork, principal: Principal, user_id: str, now: int, token_ids: Collection[str]) -> None:
    """End those of these tokens that the person's sessions have made."""
    for row in unit.tokens.living_of_sessions(user_id, now):
        if row.id in token_ids:
            end_token(unit, principal, row, now)


def _made(row: StoredToken) -> MadeToken:
    _, session_id = kind_and_id(row.created_by)
    return MadeToken(row.id, row.name, session_id, row.created_us, row.expires_us, row.last_used_us)
