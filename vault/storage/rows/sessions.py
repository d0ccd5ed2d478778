"""Rows of sessions."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, literal, not_, or_, select

from vault.model.principal import PrincipalKind, label_of
from vault.storage.rows.trim import beyond
from vault.storage.signing.repository import Repository
from vault.storage.signing.signed import SignedTable
from vault.storage.signing.signed_row import SignedRow
from vault.storage.sql_types import AnySelect
from vault.storage.tables import sessions, tokens

LABEL = literal(label_of(PrincipalKind.SESSION, "")) + sessions.c.id
"""The label of a session, as rows have it that the session has made."""


@dataclass(frozen=True, slots=True)
class Session(SignedRow):
    """A session."""

    id: str
    user_id: str
    kind: str
    digest: bytes
    digest_key_id: str
    authenticated_us: int
    factors: str
    created_us: int
    seen_us: int
    idle_seconds: int
    expires_us: int
    address: str
    agent: str
    revoked_us: int | None


class Sessions(Repository[Session]):
    """Sessions. Only a keyed digest of the secret is stored."""

    noun = Session
    signed = SignedTable(sessions)

    def by_id(self, session_id: str, *, lock: bool = False) -> Session | None:
        """Return the session with this id."""
        return self.one(sessions.c.id == session_id, lock=lock)

    def living(self, user_id: str, now_us: int) -> list[Session]:
        """Return a user's active sessions, newest first."""
        return self.all(_living(user_id, now_us).order_by(sessions.c.created_us.desc(), sessions.c.id))

    def hold_living(self, user_id: str, now_us: int) -> list[Session]:
        """Lock and return a user's active sessions, by id. All code that locks several rows does it in this order."""
        return self.all(_living(user_id, now_us).order_by(sessions.c.id).with_for_update())

    def counts(self, user_id: str, now_us: int) -> tuple[int, int]:
        """Return the numbers of a user's active sessions and of stored ended ones."""
        living = func.count().filter(_is_living(now_us))
        row = self._connection.execute(select(living, func.count()).where(sessions.c.user_id == user_id)).one()
        return int(row[0]), int(row[1] - row[0])

    def trim_ended(self, user_id: str, most: int, now_us: int) -> None:
        """Delete a user's ended sessions, except the `most` newest.

        Those that have made a token that is not revoked stay too. Otherwise many short logins would hide which tokens a
        stolen session has made.
        """
        made = select(tokens.c.created_by).where(tokens.c.user_id == user_id, tokens.c.revoked_us.is_(None))
        is_needed = _is_living(now_us) | LABEL.in_(made)
        ended = select(sessions.c.id).where(sessions.c.user_id == user_id, not_(is_needed))
        past = beyond(most, ended.order_by(sessions.c.created_us.desc(), sessions.c.id))
        self._connection.execute(delete(sessions).where(sessions.c.id.in_(past)))

    def purge(self, before_us: int) -> int:
        """Delete sessions that ended before `before_us`, and return how many."""
        ended = or_(sessions.c.expires_us < before_us, sessions.c.revoked_us < before_us)
        return self._connection.execute(delete(sessions).where(ended)).rowcount


def _living(user_id: str, now_us: int) -> AnySelect:
    return select(sessions).where(sessions.c.user_id == user_id, _is_living(now_us))


def _is_living(now_us: int) -> ColumnElement[bool]:
    return sessions.c.revoked_us.is_(None) & (sessions.c.expires_us > now_us)
