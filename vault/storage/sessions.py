"""Rows of sessions."""

from __future__ import annotations

from sqlalchemy import delete, or_, select

from vault.storage.repository import Record, Repository
from vault.storage.signed import SignedTable
from vault.storage.tables import sessions


class Sessions(Repository):
    """Logged-in people. The secret itself is never stored, only its keyed digest."""

    signed = SignedTable(sessions)

    def by_id(self, session_id: str) -> Record | None:
        """The session with this public id."""
        return self.one(sessions.c.id == session_id)

    def living(self, user_id: str, now_us: int) -> list[Record]:
        """A user's sessions that are neither revoked nor past their absolute limit, the newest first."""
        return self.all(
            select(sessions)
            .where(sessions.c.user_id == user_id, sessions.c.revoked_us.is_(None), sessions.c.expires_us > now_us)
            .order_by(sessions.c.created_us.desc(), sessions.c.id)
        )

    def purge(self, before_us: int) -> int:
        """Delete sessions that ended before `before_us`, and say how many."""
        ended = or_(sessions.c.expires_us < before_us, sessions.c.revoked_us < before_us)
        return self._connection.execute(delete(sessions).where(ended)).rowcount
