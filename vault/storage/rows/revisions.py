"""Rows of revisions: sealed, immutable, numbered without gaps."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select

from vault.storage.signing.repository import Repository
from vault.storage.signing.signed import SignedTable
from vault.storage.signing.signed_row import SignedRow
from vault.storage.tables import revisions


@dataclass(frozen=True, slots=True)
class RevisionRow(SignedRow):
    """A revision without its blob."""

    id: str
    environment_id: str
    number: int
    data_key_id: str | None
    size: int
    created_us: int
    created_by: str
    deletion_us: int | None
    destroyed: bool
    generation: int
    content_key_id: str | None
    previous_hash: bytes | None
    signature: bytes | None


@dataclass(frozen=True, slots=True)
class StoredRevision(RevisionRow):
    """A revision and its sealed variables, which are None after they were destroyed."""

    blob: bytes | None


@dataclass(frozen=True, slots=True)
class OldRevision:
    """What decides whether a write deletes an old revision. Its MAC is not checked, as its content is not used."""

    id: str
    number: int
    created_us: int
    created_by: str
    size: int


class Revisions(Repository[StoredRevision]):
    """Revisions. The MAC does not cover the blob, because its own context binds it to the row."""

    noun = StoredRevision
    signed = SignedTable(
        revisions,
        uncovered=("blob",),
        added={3: {"content_key_id": None, "previous_hash": None, "signature": None}},
    )

    def by_id(self, revision_id: str) -> StoredRevision | None:
        """Return the revision with this id."""
        return self.one(revisions.c.id == revision_id)

    def by_number(self, environment_id: str, number: int) -> StoredRevision | None:
        """Return one revision of an environment."""
        return self.one(revisions.c.environment_id == environment_id, revisions.c.number == number)

    def page(self, environment_id: str, before: int | None, limit: int) -> list[StoredRevision]:
        """Return an environment's revisions, newest first, older than number `before`."""
        statement = select(revisions).where(revisions.c.environment_id == environment_id)
        if before is not None:
            statement = statement.where(revisions.c.number < before)
        return self.all(statement.order_by(revisions.c.number.desc()).limit(limit))

    def numbered(self, environment_id: str, numbers: Collection[int]) -> list[StoredRevision]:
        """Return an environment's revisions with these numbers, in order."""
        statement = select(revisions).where(revisions.c.environment_id == environment_id)
        return self.all(statement.where(revisions.c.number.in_(numbers)).order_by(revisions.c.number))

    def facts(self, environment_id: str) -> list[RevisionRow]:
        """Return all revisions of an environment without their blobs, oldest first."""
        statement = select(*self.signed.columns).where(revisions.c.environment_id == environment_id)
        rows = self._connection.execute(statement.order_by(revisions.c.number))
        return [self.checked_as(RevisionRow, row) for row in rows]

    def newer(self, environment_id: str, number: int, limit: int) -> list[RevisionRow]:
        """Return an environment's revisions after `number` without their blobs, newest first."""
        after = (revisions.c.environment_id == environment_id) & (revisions.c.number > number)
        statement = select(*self.signed.columns).where(after).order_by(revisions.c.number.desc()).limit(limit)
        return [self.checked_as(RevisionRow, row) for row in self._connection.execute(statement)]

    def facts_of(self, ids: Iterable[str]) -> dict[str, RevisionRow]:
        """Return the revisions with these ids, by id, without their blobs."""
        return {row.id: self.checked_as(RevisionRow, row) for row in self._with_ids(ids, self.signed.columns)}

    def old(self, environment_id: str, number: int) -> list[OldRevision]:
        """Return an environment's revisions up to `number`, the oldest first."""
        columns = [revisions.c[name] for name in ("id", "number", "created_us", "created_by", "size")]
        statement = select(*columns).where(revisions.c.environment_id == environment_id, revisions.c.number <= number)
        return [OldRevision(*row) for row in self._connection.execute(statement.order_by(revisions.c.number))]

    def labels_after(self, environment_id: str, number: int) -> dict[str, int]:
        """Return the labels of those who wrote an environment's revisions after `number`, and how many each wrote."""
        after = (revisions.c.environment_id == environment_id) & (revisions.c.number > number)
        statement = select(revisions.c.created_by, func.count()).where(after).group_by(revisions.c.created_by)
        return dict(self._connection.execute(statement).all())

    def drop(self, old: Sequence[OldRevision]) -> int:
        """Delete these revisions, and return how many bytes this has freed."""
        if old:
            self._connection.execute(delete(revisions).where(revisions.c.id.in_([each.id for each in old])))
        return sum(each.size for each in old)

    def drop_up_to(self, environment_id: str, number: int) -> int:
        """Delete an environment's revisions up to `number`, and return how many bytes this has freed."""
        old = (revisions.c.environment_id == environment_id) & (revisions.c.number <= number)
        freed = self._connection.execute(select(func.coalesce(func.sum(revisions.c.size), 0)).where(old)).scalar_one()
        self._connection.execute(delete(revisions).where(old))
        return int(freed)
