"""Answers that are stored for a retry with the same Idempotency-Key."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, select, update

from vault.storage.database.upsert import upsert
from vault.storage.rows.plain import Plain
from vault.storage.tables import idempotency


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A stored answer for retries. It has no blob while its call runs."""

    scope: bytes
    user_id: str
    fingerprint: bytes
    blob: bytes | None
    user_key_id: str | None
    created_us: int
    expires_us: int
    holder: str | None
    proof: bytes | None


class Idempotency(Plain):
    """Stored answers for retries, each under a keyed digest of the caller, the call and its key."""

    def claim(
        self, scope: bytes, fingerprint: bytes, user_id: str, holder: str | None, now_us: int, expires_us: int
    ) -> bool:
        """Reserve `scope` for this transaction. Returns False if there is already an answer.

        While another transaction holds the same scope, PostgreSQL makes this one wait for its end.
        """
        self._connection.execute(
            delete(idempotency).where(idempotency.c.scope == scope, idempotency.c.expires_us <= now_us)
        )
        row = {"scope": scope, "fingerprint": fingerprint, "user_id": user_id, "holder": holder}
        statement = upsert(self._connection, idempotency).values(**row, created_us=now_us, expires_us=expires_us)
        claimed = statement.on_conflict_do_nothing(index_elements=["scope"]).returning(idempotency.c.scope)
        # With psycopg, SQLAlchemy reports -1 as the number of inserted rows.
        return self._connection.execute(claimed).one_or_none() is not None

    def find(self, scope: bytes) -> KeptRow | None:
        """Return the answer under `scope`."""
        row = self._connection.execute(select(idempotency).where(idempotency.c.scope == scope)).one_or_none()
        return None if row is None else KeptRow(*row)

    def keep(self, scope: bytes, user_key_id: str, blob: bytes) -> None:
        """Store the sealed answer under a scope that this transaction has claimed."""
        kept = update(idempotency).where(idempotency.c.scope == scope)
        self._connection.execute(kept.values(blob=blob, user_key_id=user_key_id))

    def trim(self, user_id: str, most: int, most_bytes: int, *, holder: str | None = None) -> None:
        """Delete a person's oldest answers above `most` answers or `most_bytes`.

        With `holder`, only those of one token and of the tokens that it made.
        """
        theirs = idempotency.c.user_id == user_id
        if holder is not None:
            theirs &= idempotency.c.holder == holder
        newest_first = (idempotency.c.created_us.desc(), idempotency.c.scope)
        size = func.length(func.coalesce(idempotency.c.blob, b""))
        ranked = (
            select(
                idempotency.c.scope,
                func.row_number().over(order_by=newest_first).label("number"),
                func.sum(size).over(order_by=newest_first).label("bytes"),
            )
            .where(theirs)
            .subquery()
        )
        past = select(ranked.c.scope).where((ranked.c.number > most) | (ranked.c.bytes > most_bytes))
        self._connection.execute(delete(idempotency).where(idempotency.c.scope.in_(past)))

    def purge(self, now_us: int) -> int:
        """Delete expired answers, and return how many."""
        return self._connection.execute(delete(idempotency).where(idempotency.c.expires_us <= now_us)).rowcount
