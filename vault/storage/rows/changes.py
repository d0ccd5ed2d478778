"""The feed of what changed for each person."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from vault.errors import IntegrityError
from vault.model.action import Action
from vault.storage.rows.plain import Plain
from vault.storage.tables import changes, users

CHANGES_MOST = 10_000
"""The limit for each person. There can be a few more until the next trim."""
_LOOK_EVERY = 256

_TAKE_BASES = frozenset({Action.ENVIRONMENT_BASES, Action.ENVIRONMENT_DELETE, Action.ENVIRONMENT_ERASE})
"""The changes that have the environment's former bases in `new_name`. None of them gives it a new name."""

_PACKED_CHARACTERS = 22
"""The length of a packed id. Eight bases need 176 characters, of the 256 of the column."""


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change. `kind` is the name of an `Action`; one of a newer release may be unknown here.

    `old_name` is the name that an environment has lost: by a rename, by its end, or because it came back under another
    one. `new_name` is the one that it has got: by a rename, when it was made, or when it came back.
    If its bases were changed, or it was deleted or erased, `new_name` is not a name: `old_bases` reads it.
    """

    seq: int
    kind: str
    environment_id: str | None
    revision: int | None
    at_us: int
    old_name: str | None
    new_name: str | None

    @property
    def old_bases(self) -> tuple[str, ...] | None:
        """The ids of the bases before the change, or None if they are not stored. Raises `IntegrityError`."""
        if self.kind not in _TAKE_BASES or self.new_name is None:
            return None
        starts = range(0, len(self.new_name), _PACKED_CHARACTERS)
        try:
            return tuple(_unpacked(self.new_name[start : start + _PACKED_CHARACTERS]) for start in starts)
        except ValueError as error:
            raise IntegrityError() from error


class Changes(Plain):
    """The feed of a person's changes. Its numbers rise in the order of commits, and have gaps."""

    def add(
        self,
        user_id: str,
        seq: int,
        kind: Action,
        environment_id: str | None,
        revision: int | None,
        at_us: int,
        *,
        old_name: str | None = None,
        new_name: str | None = None,
        old_bases: Sequence[str] | None = None,
    ) -> None:
        """Store one change with the number from `Users.next_change`.

        `old_bases` are the ids of the bases before the change, of an environment whose bases are changed, or which is
        deleted or erased. The feed needs them to know which values they were part of.
        """
        if old_bases is not None:
            new_name = "".join(map(_packed, old_bases))
        row = {"user_id": user_id, "seq": seq, "kind": str(kind), "environment_id": environment_id}
        names = {"old_name": old_name, "new_name": new_name}
        self._connection.execute(insert(changes), {**row, "revision": revision, "at_us": at_us, **names})
        if seq % _LOOK_EVERY == 0:
            old = (changes.c.user_id == user_id) & (changes.c.seq <= seq - CHANGES_MOST)
            self._connection.execute(delete(changes).where(old))

    def after(self, user_id: str, seq: int, limit: int) -> list[ChangeRow]:
        """Return a person's changes with numbers above `seq`, in order. Check `is_kept` after this, not before."""
        theirs = (changes.c.user_id == user_id) & (changes.c.seq > seq)
        columns = [changes.c[name] for name in ChangeRow.__slots__]
        statement = select(*columns).where(theirs).order_by(changes.c.seq).limit(limit)
        return [ChangeRow(*row) for row in self._connection.execute(statement)]

    def newest(self, user_id: str) -> int | None:
        """Return the number of a person's newest change, or None if the person does not exist."""
        return self._connection.execute(select(users.c.change_seq).where(users.c.id == user_id)).scalar_one_or_none()

    def purge(self, before_us: int) -> int:
        """Delete changes older than `before_us`, and return how many."""
        return self._connection.execute(delete(changes).where(changes.c.at_us < before_us)).rowcount


def is_kept(seq: int, newest: int) -> bool:
    """Report whether everything after the change `seq` is still stored when `newest` is the newest change."""
    return newest - CHANGES_MOST <= seq <= newest


def _packed(environment_id: str) -> str:
    return base64.urlsafe_b64encode(uuid.UUID(environment_id).bytes).decode().rstrip("=")


def _unpacked(text: str) -> str:
    return str(uuid.UUID(bytes=base64.urlsafe_b64decode(text + "==")))
