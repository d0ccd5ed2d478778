"""Rows of environments. The globals are one of them."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.sql import ColumnElement

from vault.storage.signing.repository import Repository
from vault.storage.signing.signed import SignedTable
from vault.storage.signing.signed_row import SignedRow
from vault.storage.tables import environments


@dataclass(frozen=True, slots=True)
class EnvironmentRow(SignedRow):
    """An environment, or the globals of a person. It has no `last_read_us`, because nothing reads that column."""

    id: str
    owner_id: str
    kind: str
    name: str
    sealing: str
    current_revision_id: str | None
    last_number: int
    bytes_stored: int
    state_generation: int
    metadata_blob: bytes | None
    metadata_generation: int
    max_versions: int
    cas_required: bool
    delete_version_after_seconds: int
    created_us: int
    updated_us: int
    deleted_us: int | None
    base_ids: str
    next_expiry_us: int | None
    require_reason: bool


class Environments(Repository[EnvironmentRow]):
    """Environments, and what is known of them without opening one."""

    noun = EnvironmentRow
    signed = SignedTable(
        environments,
        uncovered=("last_read_us",),
        added={3: {"base_ids": "", "next_expiry_us": None, "require_reason": False}},
    )

    def by_id(self, owner_id: str, environment_id: str) -> EnvironmentRow | None:
        """Return the owner's environment with this id, deleted or not."""
        return self.one(environments.c.id == environment_id, environments.c.owner_id == owner_id)

    def by_name(self, owner_id: str, name: str) -> EnvironmentRow | None:
        """Return the owner's environment with this name, unless it is deleted."""
        return self.one(*self._named(owner_id, name), environments.c.deleted_us.is_(None))

    def some(self, owner_id: str, references: Set[str]) -> list[EnvironmentRow]:
        """Return the owner's environments with one of these names or ids that are not deleted."""
        is_asked = environments.c.name.in_(references) | environments.c.id.in_(references)
        living = environments.c.deleted_us.is_(None), environments.c.kind == "environment"
        return self.all(select(environments).where(environments.c.owner_id == owner_id, *living, is_asked))

    def with_layers(self, owner_id: str, ids: Set[str]) -> list[EnvironmentRow]:
        """Return the owner's environments with these ids, those with bases, all their bases, and the globals.

        Deleted ones are included.
        """
        is_wanted = (environments.c.kind == "globals") | (environments.c.base_ids != "") | environments.c.id.in_(ids)
        rows = self.all(select(environments).where(environments.c.owner_id == owner_id, is_wanted))
        missing = {base for row in rows for base in row.base_ids.split()} - {row.id for row in rows}
        return [*rows, *(row for row in self.named(missing).values() if row.owner_id == owner_id)]

    def of_owner(self, owner_id: str) -> list[EnvironmentRow]:
        """Return all environments of the owner, also the globals and those that are deleted."""
        return self.all(select(environments).where(environments.c.owner_id == owner_id))

    def latest_deleted(self, owner_id: str, name: str) -> EnvironmentRow | None:
        """Return the owner's environment with this name that was deleted last."""
        gone = environments.c.deleted_us.is_not(None)
        statement = select(environments).where(*self._named(owner_id, name), gone)
        found = self.all(statement.order_by(environments.c.deleted_us.desc()).limit(1))
        return found[0] if found else None

    def globals(self, owner_id: str) -> EnvironmentRow | None:
        """Return the owner's globals."""
        return self.one(environments.c.owner_id == owner_id, environments.c.kind == "globals")

    def page(
        self, owner_id: str, *, deleted: bool = False, name: str | None = None, after: str = "", limit: int
    ) -> list[EnvironmentRow]:
        """Return the owner's environments by name (deleted ones by id), after a position in that order."""
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

    def below(self, owner_id: str, prefix: str) -> list[EnvironmentRow]:
        """Return the owner's environments whose names start with `prefix`, by name."""
        statement = select(environments).where(
            environments.c.owner_id == owner_id,
            environments.c.kind == "environment",
            environments.c.deleted_us.is_(None),
            environments.c.name.startswith(prefix, autoescape=True),
        )
        # SQLite's LIKE ignores case, and PostgreSQL orders names by the locale.
        return sorted((row for row in self.all(statement) if row.name.startswith(prefix)), key=lambda row: row.name)

    def with_bases(self, owner_id: str) -> list[EnvironmentRow]:
        """Return the owner's environments with bases, including deleted ones."""
        return self.all(select(environments).where(environments.c.owner_id == owner_id, environments.c.base_ids != ""))

    def all_with_bases(self) -> list[EnvironmentRow]:
        """Return all environments with bases, of every owner, whatever their MACs are."""
        return self.unchecked(select(environments).where(environments.c.base_ids != "").order_by(environments.c.id))

    def owners(self, ids: Set[str]) -> dict[str, str]:
        """Return the owner of each existing environment among `ids`, whatever its MAC is."""
        rows = self._connection.execute(select(environments.c.id, environments.c.owner_id))
        return {row.id: row.owner_id for row in rows if row.id in ids}

    def count(self, owner_id: str) -> int:
        """Return how many environments the owner has, including deleted ones that can be restored."""
        statement = select(func.count()).where(
            environments.c.owner_id == owner_id, environments.c.kind == "environment"
        )
        return self._connection.execute(statement).scalar_one()

    def bytes_stored(self, owner_id: str) -> int:
        """Return the bytes of all sealed revisions of the owner."""
        statement = select(func.coalesce(func.sum(environments.c.bytes_stored), 0)).where(
            environments.c.owner_id == owner_id
        )
        return int(self._connection.execute(statement).scalar_one())

    @staticmethod
    def _named(owner_id: str, name: str) -> tuple[ColumnElement[bool], ...]:
        return environments.c.owner_id == owner_id, environments.c.kind == "environment", environments.c.name == name
