"""Older revisions: list, read and compare them, and roll back to one by writing it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vault.errors import NotFound
from vault.model.action import Action
from vault.model.environment import EnvironmentRef, Revision, Variable
from vault.model.grant import Permission
from vault.model.principal import Principal
from vault.services.audit import ReadLog
from vault.services.environments.environments import Environments
from vault.services.environments.permissions import ask, target_of
from vault.services.environments.sealing import Sealer
from vault.services.environments.variables import NO_PRECONDITION, Listing, Precondition, Variables, Written
from vault.storage import EnvironmentRow, RevisionRow, Storage, StoredRevision, UnitOfWork

_NEWER_MOST = 20
"""The most revisions whose authors are named."""


@dataclass(frozen=True, slots=True)
class VariableChange:
    """The difference of one variable. `before` is None if it was added, `after` if it was removed."""

    name: str
    before: Variable | None
    after: Variable | None

    @property
    def kind(self) -> str:
        """`added`, `removed` or `changed`."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"


@dataclass(frozen=True, slots=True)
class News:
    """What was written after a revision that the caller has read."""

    listing: Listing
    changes: tuple[VariableChange, ...] | None
    """The differences from the caller's revision, or None if that revision cannot be read any more."""
    newer: tuple[Revision, ...]
    """The newer revisions without their variables, newest first. At most 20."""


class History:
    """The revisions of environments. Reading an older one needs `history`, and a rollback also needs `update`."""

    def __init__(
        self, storage: Storage, environments: Environments, variables: Variables, sealer: Sealer, reads: ReadLog
    ) -> None:
        self._storage = storage
        self._reads = reads
        self._environments = environments
        self._variables = variables
        self._sealer = sealer

    def revisions(
        self, principal: Principal, reference: EnvironmentRef, before: int | None, limit: int
    ) -> list[Revision]:
        """Return revisions without values, newest first, older than number `before`."""
        with self._storage.read() as unit:
            row = self._environments.find(unit, principal, reference, Permission.HISTORY)
            found = [facts_of(revision) for revision in unit.revisions.page(row.id, before, limit)]
        self._reads.read(principal, Action.REVISION_LIST, row.id)
        return found

    def get(self, principal: Principal, reference: EnvironmentRef, number: int) -> Revision:
        """Return one revision with its variables. Raises `NotFound`, `RevisionDeleted`."""
        with self._storage.read() as unit:
            environment = self._environments.find(unit, principal, reference, Permission.HISTORY)
            revision = self._numbered(unit, environment, number)
            self._ask_current(unit, principal, environment, revision)
            found = facts_of(revision, self._sealer.open_stored(unit, environment, revision))
        self._reads.read(principal, Action.REVISION_READ, environment.id, number)
        return found

    def diff(
        self,
        principal: Principal,
        reference: EnvironmentRef,
        number: int,
        against: int,
        *,
        action: Action = Action.REVISION_READ,
    ) -> list[VariableChange]:
        """Return how revision `number` differs from revision `against` (0 is the empty one before the first).

        The audit records `action` for both. It is `revision.compare` if no value is shown.
        """
        with self._storage.read() as unit:
            environment = self._environments.find(unit, principal, reference, Permission.HISTORY)
            after = self._open(unit, principal, environment, number)
            before = self._open(unit, principal, environment, against)
        for read in {number, against} - {0}:
            self._reads.read(principal, action, environment.id, read)
        return compare(before, after)

    def news(self, principal: Principal, reference: EnvironmentRef, number: int) -> News:
        """Return what was written after revision `number` (0 is the empty one), for a caller who has that revision."""
        with self._storage.read() as unit:
            row = self._environments.find(unit, principal, reference, Permission.READ)
            ask(unit, principal, Permission.HISTORY, target_of(row))
            listing = self._variables.listing(unit, row)
            now = listing.environment.revision or 0
            newer = tuple(facts_of(revision) for revision in unit.revisions.newer(row.id, number, _NEWER_MOST))
            changes = self._changes(unit, principal, row, listing, number)
        if now == number or changes is None:
            self._reads.read(principal, Action.VARIABLES_LIST, row.id, now or None)
        else:
            for read in {number, now} - {0}:
                self._reads.read(principal, Action.REVISION_COMPARE, row.id, read)
        return News(listing, changes, newer)

    def rollback(
        self,
        unit: UnitOfWork,
        principal: Principal,
        reference: EnvironmentRef,
        number: int,
        precondition: Precondition = NO_PRECONDITION,
    ) -> Written:
        """Write revision `number` (0 is the empty one) again as a new one. Raises `NotFound`, `RevisionDeleted`."""
        environment = self._environments.find(unit, principal, reference, Permission.HISTORY)

        def old(_: tuple[Variable, ...]) -> tuple[Variable, ...]:
            # Read it while the user's lock is held, so that a revision which is being destroyed is not restored.
            return (
                self._sealer.open_stored(unit, environment, self._numbered(unit, environment, number)) if number else ()
            )

        return self._variables.write_row(unit, principal, environment, old, precondition, always=True)

    def _changes(
        self, unit: UnitOfWork, principal: Principal, row: EnvironmentRow, listing: Listing, number: int
    ) -> tuple[VariableChange, ...] | None:
        now = listing.environment.revision or 0
        if number == now:
            return () if not listing.is_deleted else None
        try:
            before = self._open(unit, principal, row, number)
        except NotFound:
            return None
        after = () if listing.is_deleted else self._open(unit, principal, row, now)
        return tuple(compare(before, after))

    def _open(
        self, unit: UnitOfWork, principal: Principal, environment: EnvironmentRow, number: int
    ) -> tuple[Variable, ...]:
        if number == 0:
            return ()
        revision = self._numbered(unit, environment, number)
        self._ask_current(unit, principal, environment, revision)
        return self._sealer.open_stored(unit, environment, revision)

    @staticmethod
    def _ask_current(
        unit: UnitOfWork, principal: Principal, environment: EnvironmentRow, revision: RevisionRow
    ) -> None:
        """Require `history` for an older revision, and `read` for the current one."""
        if revision.id == environment.current_revision_id:
            ask(unit, principal, Permission.READ, target_of(environment))

    def _numbered(self, unit: UnitOfWork, environment: EnvironmentRow, number: int) -> StoredRevision:
        revision = unit.revisions.by_number(environment.id, number)
        if revision is None:
            raise NotFound("There is no revision with this number, or it was deleted.")
        return revision


def compare(before: Sequence[Variable], after: Sequence[Variable]) -> list[VariableChange]:
    """Return what was added, removed and changed, in the order of `after`, then of `before`."""
    old, new = {item.name: item for item in before}, {item.name: item for item in after}
    found = [VariableChange(name, old.get(name), item) for name, item in new.items() if old.get(name) != item]
    return found + [VariableChange(name, item, None) for name, item in old.items() if name not in new]


def facts_of(row: RevisionRow, variables: tuple[Variable, ...] | None = None) -> Revision:
    """Return the revision in a row, with its variables if they were opened."""
    return Revision(
        row.id,
        row.environment_id,
        row.number,
        row.created_us,
        row.created_by,
        row.deletion_us,
        row.destroyed,
        variables,
    )
