"""Rows of revisions: sealed, immutable, numbered without a gap."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import delete, func, select

from vault.storage.signing.repository import Record, Repository
from vault.storage.signing.signed import SignedTable
from vault.storage.tables import revisions


class Revisions(Repository[Record]):
    """The blob is left out of the MAC: it is sealed to this very row by its own context."""

    signed = SignedTable(
        revisions,
        uncovered=("blob",),
        added={3: {"content_key_id": None, "previous_hash": None, "signature": None}},
    )

    def by_id(self, revision_id: str) -> Record | None:
        """The revision with this id."""
        return self.one(revisions.c.id == revision_id)

    def by_number(self, environment_id: str, number: int) -> Record | None:
        """One revision of an environment."""
        return self.one(revisions.c.environment_id == environment_id, revisions.c.number == number)

    def page(self, environment_id: str, before: int | None, limit: int) -> list[Record]:
        """An environment's revisions, the newest first, older than number `before`."""
        statement = select(revisions).where(revisions.c.environment_id == environment_id)
        if before is not None:
            statement = statement.where(revisions.c.number < before)
        return self.all(statement.order_by(revisions.c.number.desc()).limit(limit))

    def numbered(self, environment_id: str, numbers: Collection[int]) -> list[Record]:
        """Those of an environment's revisions that have one of these numbers, in order."""
        statement = select(revisions).where(revisions.c.environment_id == environment_id)
        return self.all(statement.where(revisions.c.number.in_(numbers)).order_by(revisions.c.number))

    def facts(self, environment_id: str) -> list[Record]:
        """All of an environment's revisions, the oldest first, without their blobs."""
        statement = select(*self.signed.columns).where(revisions.c.environment_id == environment_id)
        return self.all(statement.order_by(revisions.c.number))

    def drop_up_to(self, environment_id: str, number: int) -> int:
        """Delete an environment's revisions up to `number`, and say how many bytes that has freed."""
        old = (revisions.c.environment_id == environment_id) & (revisions.c.number <= number)
        freed = self._connection.execute(select(func.coalesce(func.sum(revisions.c.size), 0)).where(old)).scalar_one()
        self._connection.execute(delete(revisions).where(old))
        return int(freed)
