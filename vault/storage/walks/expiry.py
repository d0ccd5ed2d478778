"""Current revisions whose deletion time has passed, and which the feed does not tell of yet."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import exists, select

from vault.model.clock import CLOCKS_DIFFER_US
from vault.storage.tables import changes, environments, revisions
from vault.storage.unit_of_work import UnitOfWork


class ExpiredRevision(NamedTuple):
    """A current revision that is not readable any more because its time has come."""

    owner_id: str
    environment_id: str
    number: int


def expired_between(
    unit: UnitOfWork, after_us: int, until_us: int, limit: int, *, among: Collection[str] | None = None
) -> list[ExpiredRevision]:
    """Return current revisions with a deletion time in this span, by owner, unless the feed has a change of that
    revision from then or later. With `among`, only those of these environments.

    A change that is dated after `until_us` was stored while a clock was ahead, so it does not count.
    """
    current = environments.join(revisions, revisions.c.id == environments.c.current_revision_id)
    is_told = exists().where(
        changes.c.user_id == environments.c.owner_id,
        changes.c.environment_id == environments.c.id,
        changes.c.revision == revisions.c.number,
        changes.c.at_us >= revisions.c.deletion_us,
        changes.c.at_us <= until_us + CLOCKS_DIFFER_US,
    )
    due = (revisions.c.deletion_us > after_us) & (revisions.c.deletion_us <= until_us)
    statement = select(environments.c.owner_id, environments.c.id, revisions.c.number).select_from(current)
    statement = statement.where(due, environments.c.deleted_us.is_(None), revisions.c.destroyed.is_(False), ~is_told)
    if among is not None:
        statement = statement.where(environments.c.id.in_(among))
    found = unit.connection.execute(statement.order_by(environments.c.owner_id, environments.c.id).limit(limit))
    return [ExpiredRevision(*row) for row in found]
