"""Read marks: a number for each person that rises when a signed row of theirs is written without a change number.

`users.change_seq` rises with every write of environments and tokens. The mark rises with the rest: sessions,
credentials, roles. Their sum is the wake number of a person. Everything that can change the result of a read raises it.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from vault.storage.database.upsert import upsert
from vault.storage.rows.plain import Plain
from vault.storage.signing.journal import Journal, owner_of
from vault.storage.signing.repository import IDS_AT_ONCE
from vault.storage.sql_types import AnyTable
from vault.storage.tables import read_marks, users


class Marks(Plain):
    """The read marks of all people."""

    def numbers(self, user_ids: Iterable[str]) -> dict[str, int]:
        """Return the wake numbers of these people. Those who do not exist any more are missing."""
        wanted = list(dict.fromkeys(user_ids))
        number = users.c.change_seq + func.coalesce(read_marks.c.read_seq, 0)
        joined = select(users.c.id, number).outerjoin(read_marks, read_marks.c.user_id == users.c.id)
        found: dict[str, int] = {}
        for start in range(0, len(wanted), IDS_AT_ONCE):
            some = users.c.id.in_(wanted[start : start + IDS_AT_ONCE])
            found |= {row[0]: int(row[1]) for row in self._connection.execute(joined.where(some))}
        return found

    def rise(self, journal: Journal) -> None:
        """Raise the mark of each person whose rows the transaction has written without taking a change number.

        It is the last statement of a transaction. It locks marks in the order of people's ids, and waits for no other
        lock, so it cannot be part of a deadlock: only the first mark of a person waits for the person's row.
        """
        for table, ids in journal.parents():
            self._find_owners(journal, table, ids)
        people = journal.unmarked
        for start in range(0, len(people), IDS_AT_ONCE):
            self._rise_some(people[start : start + IDS_AT_ONCE])

    def fill(self) -> None:
        """Make the missing marks, so that no later transaction has to wait for a person's row to make one."""
        missing = select(users.c.id).outerjoin(read_marks, read_marks.c.user_id == users.c.id)
        missing = missing.where(read_marks.c.user_id.is_(None)).order_by(users.c.id).limit(IDS_AT_ONCE)
        # Lock the people first, in order: a mark that is not stored yet must not wait for a person's row.
        held = missing.with_for_update(read=True, key_share=True, of=users)
        while ids := list(self._connection.execute(held).scalars()):
            rows = [{"user_id": user_id, "read_seq": 0} for user_id in ids]
            self._connection.execute(upsert(self._connection, read_marks).on_conflict_do_nothing(), rows)

    def _find_owners(self, journal: Journal, table: AnyTable, ids: list[str]) -> None:
        place = owner_of(table)
        assert place is not None
        (key,) = table.primary_key.columns
        for start in range(0, len(ids), IDS_AT_ONCE):
            owned = select(place.column).where(key.in_(ids[start : start + IDS_AT_ONCE]), place.column.is_not(None))
            for owner in self._connection.execute(owned.distinct()).scalars():
                journal.own(owner)

    def _rise_some(self, ids: list[str]) -> None:
        self._connection.execute(_rising(self._connection), {"ids": ids})


_made: dict[str, postgresql.Insert | sqlite.Insert] = {}


def _rising(connection: Connection) -> postgresql.Insert | sqlite.Insert:
    """Return the statement that raises marks. It is made once: that takes longer than to run it."""
    found = _made.get(connection.dialect.name)
    if found is None:
        # Select from `users`: a person whose row this transaction has deleted has no mark any more.
        living = select(users.c.id, literal(1)).where(users.c.id.in_(bindparam("ids", expanding=True)))
        raised = upsert(connection, read_marks).from_select(["user_id", "read_seq"], living.order_by(users.c.id))
        higher = {"read_seq": read_marks.c.read_seq + 1}
        found = raised.on_conflict_do_update(index_elements=["user_id"], set_=higher)
        _made[connection.dialect.name] = found
    return found
