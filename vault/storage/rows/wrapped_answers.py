"""Answers that wait, wrapped, for one fetch."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import case, delete, func, insert, select, update
from sqlalchemy.sql import ColumnElement

from vault.storage.rows.plain import Plain
from vault.storage.tables import wrapped_answers

RESERVED = 0
"""The value of `wrapped_answers.created_us` for a reservation: its call has not ended yet."""


@dataclass(frozen=True, slots=True)
class WrappedAnswer:
    """A wrapped answer."""

    scope: bytes
    user_id: str
    user_key_id: str
    blob: bytes
    created_us: int
    expires_us: int
    token_id: str | None


class WrappedAnswers(Plain):
    """Wrapped answers, which can be fetched once, each under a keyed digest of its wrapping token."""

    def add(self, **values: object) -> None:
        """Store an answer, or a reservation for one."""
        self._connection.execute(insert(wrapped_answers), values)

    def room(self, user_id: str, reserved_bytes: int) -> dict[str | None, tuple[int, int]]:
        """Return the number and bytes of answers for each of a person's topmost tokens (None: for sessions).

        A reservation counts as `reserved_bytes`.
        """
        blob = func.length(wrapped_answers.c.blob)
        size = func.sum(case((wrapped_answers.c.created_us == RESERVED, reserved_bytes), else_=blob))
        statement = select(wrapped_answers.c.token_id, func.count(), size).where(wrapped_answers.c.user_id == user_id)
        rows = self._connection.execute(statement.group_by(wrapped_answers.c.token_id))
        return {row[0]: (int(row[1]), int(row[2])) for row in rows}

    def fill(self, scope: bytes, **values: object) -> bool:
        """Store an answer in its reservation. Returns False if the reservation is gone."""
        reserved = (wrapped_answers.c.scope == scope) & (wrapped_answers.c.created_us == RESERVED)
        return self._connection.execute(update(wrapped_answers).where(reserved).values(values)).rowcount == 1

    def release(self, scope: bytes) -> None:
        """Delete a reservation."""
        reserved = (wrapped_answers.c.scope == scope) & (wrapped_answers.c.created_us == RESERVED)
        self._connection.execute(delete(wrapped_answers).where(reserved))

    def purge_of(self, user_id: str, now_us: int) -> None:
        """Delete a person's answers that have expired."""
        ended = (wrapped_answers.c.user_id == user_id) & (wrapped_answers.c.expires_us <= now_us)
        self._connection.execute(delete(wrapped_answers).where(ended))

    def find(self, scope: bytes, now_us: int) -> WrappedAnswer | None:
        """Return the answer under `scope`, unless it has expired."""
        row = self._connection.execute(select(wrapped_answers).where(_waiting(scope, now_us))).one_or_none()
        return None if row is None else WrappedAnswer(*row)

    def take(self, scope: bytes, now_us: int) -> WrappedAnswer | None:
        """Delete and return the answer. If several calls do this at once, only one gets it."""
        taken = delete(wrapped_answers).where(_waiting(scope, now_us)).returning(wrapped_answers)
        row = self._connection.execute(taken).one_or_none()
        return None if row is None else WrappedAnswer(*row)

    def purge(self, now_us: int) -> int:
        """Delete answers that were not fetched in time, and return how many."""
        return self._connection.execute(delete(wrapped_answers).where(wrapped_answers.c.expires_us <= now_us)).rowcount


def _waiting(scope: bytes, now_us: int) -> ColumnElement[bool]:
    is_stored = wrapped_answers.c.created_us != RESERVED
    return (wrapped_answers.c.scope == scope) & (wrapped_answers.c.expires_us > now_us) & is_stored
