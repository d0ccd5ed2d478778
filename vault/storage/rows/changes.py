"""The feed of what changed for each person."""

from __future__ import annotations

from sqlalchemy import delete, insert

from vault.model.action import Action
from vault.storage.rows.plain import Plain
from vault.storage.tables import changes

CHANGES_MOST = 10_000
"""The limit for each person. There can be a few more until the next trim."""
_LOOK_EVERY = 256


class Changes(Plain):
    """The feed of a user's changes. Its numbers have no gaps."""

    def add(
        self, user_id: str, seq: int, kind: Action, environment_id: str | None, revision: int | None, at_us: int
    ) -> None:
        """Store one change with the number from `Users.next_change`."""
        row = {"user_id": user_id, "seq": seq, "kind": str(kind), "at_us": at_us}
        self._connection.execute(insert(changes), {**row, "environment_id": environment_id, "revision": revision})
        if seq % _LOOK_EVERY == 0:
            old = (changes.c.user_id == user_id) & (changes.c.seq <= seq - CHANGES_MOST)
            self._connection.execute(delete(changes).where(old))

    def purge(self, before_us: int) -> int:
        """Delete changes older than `before_us`, and return how many."""
        return self._connection.execute(delete(changes).where(changes.c.at_us < before_us)).rowcount
