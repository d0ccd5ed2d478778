"""Tickets that open a WebSocket of a page. The statement that finds one deletes it, so it works only once."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, insert, select

from vault.storage.rows.plain import Plain
from vault.storage.rows.trim import beyond
from vault.storage.tables import sync_tickets


class Tickets(Plain):
    """The tickets of all people that wait to be used. Only keyed digests of them are stored."""

    def add(self, digest: bytes, user_id: str, session_id: str, expires_us: int, *, most: int) -> None:
        """Store a ticket, and delete the oldest ones of this person beyond `most`."""
        row = {"digest": digest, "user_id": user_id, "session_id": session_id, "expires_us": expires_us}
        self._connection.execute(insert(sync_tickets), row)
        theirs = select(sync_tickets.c.digest).where(sync_tickets.c.user_id == user_id)
        newest_first = theirs.order_by(sync_tickets.c.expires_us.desc(), sync_tickets.c.digest)
        self._connection.execute(delete(sync_tickets).where(sync_tickets.c.digest.in_(beyond(most, newest_first))))

    def has(self, digests: Sequence[bytes]) -> bool:
        """Report whether a ticket with one of these digests is stored."""
        found = select(sync_tickets.c.digest).where(sync_tickets.c.digest.in_(digests)).limit(1)
        return self._connection.execute(found).first() is not None

    def take(self, digests: Sequence[bytes], now_us: int) -> bool:
        """Use up the ticket with one of these digests. If several calls do this at once, only one gets True."""
        living = sync_tickets.c.digest.in_(digests) & (sync_tickets.c.expires_us > now_us)
        return self._connection.execute(delete(sync_tickets).where(living)).rowcount == 1

    def purge(self, now_us: int) -> int:
        """Delete expired tickets, and return how many."""
        return self._connection.execute(delete(sync_tickets).where(sync_tickets.c.expires_us <= now_us)).rowcount
