"""Rows of environments (the globals are one of a user's)."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.sql import ColumnElement

from vault.storage.signing.repository import Record, Repository
from vault.storage.signing.signed import SignedTable
from vault.storage.tables import environments


class Environments(Repository[Record]):
    """Named sets of variables, and what is known of them without opening one."""

    signed = SignedTable(
        environments,
        uncovered=("last_read_us",),
        added={3: {"base_ids": "", "next_expiry_us": None, "require_reason": False}},
    )

    def by_id(self, owner_id: str, environment_id: str) -> Record | None:
        """The owner's environment with this id, deleted or not."""
        return self.one(environments.c.id == environment_id, environments.c.owner_id == owner_id)

    def by_name(self, owner_id: str, name: str) -> Record | None:
        """The owner's living environment of this name."""
        return self.one(*self._named(owner_id, name), environments.c.deleted_us.is_(None))

    def latest_deleted(self, owner_id: str, name: str) -> Record | None:
        """The owner's environment of this name that was deleted last."""
        gone = environments.c.deleted_us.is_not(None)
        statement = select(environments).where(*self._named(owner_id, name), gone)
        found = self.all(statement.order_by(environments.c.deleted_us.desc()).limit(1))
        return found[0] if found else None

    def globals(self, owner_id: str) -> Record | None:
        """The owner's globals."""
        return self.one(environments.c.owner_id == owner_id, environments.c.kind == "globals")

    def page(
        self, owner_id: str, *, deleted: bool = False, name: str | None = None, after: str = "", limit: int
    ) -> list[Record]:
        """The owner's named environments in order of name (deleted ones: of id), after a place in that order."""
        order = environments.c.id if deleted else environments.c.name
        gone = environments.c.deleted_us.is_not(None) if deleted else environments.c.deleted_us.is_(None)
        statement = select(environments).where(
            environments.c.owner_id == owner_id, environments.c.kind == "environment", gone
        )
        if name is not None:
            statement = statement.where(environments.c.name == name)
        if after:
            statement = statement.where(order > after)
        return self.all(statement.order_by(order).limit(limit))

    def below(self, owner_id: str, prefix: str) -> list[Record]:
        """The owner's living environments whose names start with `prefix`, in order of name."""
        statement = select(environments).where(
            environments.c.owner_id == owner_id,
            environments.c.kind == "environment",
            environments.c.deleted_us.is_(None),
            environments.c.name.startswith(prefix, autoescape=True),
        )
        # SQLite's LIKE takes `a` for `A`, and PostgreSQL orders names by the locale.
        return sorted((row for row in self.all(statement) if row.name.startswith(prefix)), key=lambda row: row.name)

    def count(self, owner_id: str) -> int:
        """How many environments of the owner's are stored, deleted ones that can be brought back included."""
        statement = select(func.count()).where(
            environments.c.owner_id == owner_id, environments.c.kind == "environment"
        )
        return self._connection.execute(statement).scalar_one()

    def bytes_stored(self, owner_id: str) -> int:
        """The size of all sealed revisions of the owner's, in bytes."""
        statement = select(func.coalesce(func.sum(environments.c.bytes_stored), 0)).where(
            environments.c.owner_id == owner_id
        )
        return int(self._connection.execute(statement).scalar_one())

    @staticmethod
    def _named(owner_id: str, name: str) -> tuple[ColumnElement[bool], ...]:
        return environments.c.owner_id == owner_id, environments.c.kind == "environment", environments.c.name == name
