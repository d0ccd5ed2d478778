"""The epoch of the feed. After a restore or a promotion change numbers repeat, so the epoch is another one."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import ColumnElement, literal_column, select

from vault.errors import DatabaseUnavailable
from vault.storage.database.upsert import upsert
from vault.storage.rows.plain import Plain
from vault.storage.tables import feed

_TIMELINE: ColumnElement[str | None] = literal_column(
    "CASE WHEN pg_is_in_recovery() THEN NULL ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END"
)
"""PostgreSQL's timeline, as eight hexadecimal digits. A standby has none until it is promoted."""


@dataclass(frozen=True, slots=True)
class FeedEpoch:
    """Change numbers of one epoch never repeat. `timeline` is 0 on SQLite."""

    epoch: str
    timeline: int


class Feed(Plain):
    """The one row of the feed."""

    def epoch(self) -> FeedEpoch | None:
        """Return the present epoch, or None before the first one. One statement. Raises `DatabaseUnavailable` on a
        standby.
        """
        if self._connection.dialect.name != "postgresql":
            row = self._connection.execute(select(feed.c.epoch)).one_or_none()
            return None if row is None else FeedEpoch(row[0], 0)
        row = self._connection.execute(select(feed.c.epoch, _TIMELINE)).one_or_none()
        if row is None:
            return None
        if row[1] is None:
            raise DatabaseUnavailable()
        return FeedEpoch(row[0], int(row[1], 16))

    def begin(self, now_us: int) -> None:
        """Begin a new epoch. No cursor of an older one is accepted any more."""
        row = _new(now_us)
        statement = upsert(self._connection, feed).values(id=1, **row)
        self._connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=row))

    def begin_first(self, now_us: int) -> None:
        """Begin the first epoch, unless there is one."""
        statement = upsert(self._connection, feed).values(id=1, **_new(now_us))
        self._connection.execute(statement.on_conflict_do_nothing(index_elements=["id"]))


def _new(now_us: int) -> dict[str, str | int]:
    return {"epoch": str(uuid.uuid4()), "began_us": now_us}
