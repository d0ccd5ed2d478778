"""The variables of an environment: read, replace, merge, and single changes. Each write makes one revision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vault.errors import (
    IntegrityError,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    RevisionDeleted,
)
from vault.formats.odd_names import odd_names
from vault.model.action import Action
from vault.model.environment import Environment, EnvironmentRef, Outline, Variable, normal
from vault.model.grant import Permission, Target
from vault.model.policy import allows, require
from vault.model.principal import Principal
from vault.services import audit
from vault.services.audit import ReadLog
from vault.services.environments.bases import Bases
from vault.services.environments.editing import Attributes, RowEdit, edited, merge, put, replaced, typed
from vault.services.environments.environments import Environments
from vault.services.environments.permissions import ask, target_of
from vault.services.environments.revision_writer import RevisionWriter
from vault.services.environments.sealing import Sealer
from vault.storage import EnvironmentRow, RevisionRow, Storage, StoredRevision, UnitOfWork

Edit = Callable[[tuple[Variable, ...]], tuple[Variable, ...]]


@dataclass(frozen=True, slots=True)
class Precondition:
    """What the caller has read before: an ETag (`If-Match`), or that there is no revision (`If-None-Match: *`)."""

    match: str | None = None
    none: bool = False


NO_PRECONDITION = Precondition()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The current variables, their revision (None before the first write), their ETag, and their environment."""

    variables: tuple[Variable, ...]
    revision: int | None
    etag: str
    target: Target


@dataclass(frozen=True, slots=True)
class Listing:
    """An environment, its current variables without values, and their ETag. The ETag is empty if there is no
    revision.
    """

    environment: Environment
    outlines: tuple[Outline, ...]
    etag: str
    is_deleted: bool = False
    """Whether the current revision was deleted, so that it cannot be read."""


@dataclass(frozen=True, slots=True)
class Written:
    """The result of a write: the current revision and its ETag. `changed` is False if nothing changed.

    `before` and `after` are the variables before and after the write. They are for services, not for callers.
    """

    revision: int | None
    etag: str
    changed: bool
    before: tuple[Variable, ...] = field(repr=False)
    after: tuple[Variable, ...] = field(repr=False)
    new_names: tuple[str, ...] = ()
    """The names that this write has added. Empty if the caller may not know which existed before."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """A warning for each new name that shells or some formats do not take."""
        return odd_names(self.new_names)


class Variables:
    """The current variables of environments."""

    def __init__(
        self,
        storage: Storage,
        environments: Environments,
        bases: Bases,
        revisions: RevisionWriter,
        sealer: Sealer,
        reads: ReadLog,
    ) -> None:
        self._storage = storage
        self._environments = environments
        self._bases = bases
        self._revisions = revisions
        self._sealer = sealer
        self._reads = reads

    def read(
        self,
        principal: Principal,
        reference: EnvironmentRef,
        *,
        action: Action = Action.VARIABLES_READ,
        names: Iterable[str] = (),
    ) -> Snapshot:
        """Return all current variables in order. The audit gets `action` and `names`. Raises `NotFound`,
        `RevisionDeleted`.
        """
        with self._storage.read() as unit:
            row = self._environments.find(unit, principal, reference, Permission.READ)
            snapshot = self._snapshot(unit, row)
        self._reads.read(principal, action, row.id, snapshot.revision, names=names)
        return snapshot

    def list(self, principal: Principal, reference: EnvironmentRef) -> Listing:
        """Return all current variables without their values. Raises `NotFound`, `ClientSealed`."""
        with self._storage.read() as unit:
            row = self._environments.find(unit, principal, reference, Permission.READ)
            listing = self.listing(unit, row)
        self._reads.read(principal, Action.VARIABLES_LIST, row.id, listing.environment.revision)
        return listing

    def listing(self, unit: UnitOfWork, row: EnvironmentRow) -> Listing:
        """Return the listing of an environment. For other services, which have checked the permission."""
        view, etag = self._environments.view(unit, row), self._environments.etag(row)
        try:
            outlines = tuple(variable.outline for variable in self._snapshot(unit, row).variables)
        except RevisionDeleted:
            return Listing(view, (), "", is_deleted=True)
        return Listing(view, outlines, etag if view.revision else "")

    def read_one(self, principal: Principal, reference: EnvironmentRef, name: str) -> tuple[Variable, Snapshot]:
        """Return one variable and the snapshot that it belongs to. Raises `NotFound`."""
        name = normal(name)
        snapshot = self.read(principal, reference, names=[name])
        for variable in snapshot.variables:
            if variable.name == name:
                return variable, snapshot
        raise NotFound("There is no variable with this name.")

    def replace(
        self,
        unit: UnitOfWork,
        principal: Principal,
        reference: EnvironmentRef,
        variables: Sequence[Variable],
        precondition: Precondition,
    ) -> Written:
        """Replace all variables. Raises `PreconditionRequired` without a precondition, `PreconditionFailed`."""
        row = self._environments.find(unit, principal, reference, Permission.UPDATE)
        if precondition == NO_PRECONDITION:
            raise PreconditionRequired()
        return self._write(unit, principal, row, precondition, lambda current: replaced(current, variables))

    def patch(
        self,
        unit: UnitOfWork,
        principal: Principal,
        reference: EnvironmentRef,
        changes: Mapping[str, Attributes | None],
        precondition: Precondition = NO_PRECONDITION,
    ) -> Written:
        """Merge changes, as one revision. None removes a variable, and a mapping sets the attributes that it names.

        Raises `InvalidInput` for a new variable without a value (without the permission `read`, for any variable, so
        that the answer does not tell which names exist), and `PreconditionRequired` if `cas_required` is set.
        """
        row = self._for_update(unit, principal, reference, precondition)
        if not allows(principal, Permission.READ, target_of(row)):
            _require_values(changes)
        return self._write(unit, principal, row, precondition, lambda current: merge(current, changes))

    def edit(
        self,
        unit: UnitOfWork,
        principal: Principal,
        reference: EnvironmentRef,
        edits: Sequence[RowEdit],
        precondition: Precondition = NO_PRECONDITION,
    ) -> Written:
        """Apply a person's edits of rows, as one revision. Raises what `edited` and `patch` raise.

        This needs `read` too, because the errors reveal which names exist.
        """
        row = self._environments.find(unit, principal, reference, Permission.READ)
        return self.write_row(unit, principal, row, lambda current: edited(current, edits), precondition)

    def put_one(
        self,
        unit: UnitOfWork,
        principal: Principal,
        reference: EnvironmentRef,
        variable: Variable,
        precondition: Precondition = NO_PRECONDITION,
    ) -> Written:
        """Set all attributes of one variable. It keeps its position."""
        return self.write(unit, principal, reference, lambda current: put(current, variable), precondition)

    def delete_one(
        self,
        unit: UnitOfWork,
        principal: Principal,
        reference: EnvironmentRef,
        name: str,
        precondition: Precondition = NO_PRECONDITION,
    ) -> Written:
        """Delete one variable. Raises `NotFound` if it does not exist and the caller may read that."""
        row = self._for_update(unit, principal, reference, precondition)
        name, may_read = normal(name), allows(principal, Permission.READ, target_of(row))

        def without(current: tuple[Variable, ...]) -> tuple[Variable, ...]:
            left = tuple(variable for variable in current if variable.name != name)
            if len(left) == len(current) and may_read:
                raise NotFound("There is no variable with this name.")
            return left

        return self._write(unit, principal, row, precondition, without)

    def fill(
        self,
        unit: UnitOfWork,
        principal: Principal,
        created: EnvironmentRow,
        variables: Sequence[Variable],
        known: Sequence[Variable] = (),
    ) -> EnvironmentRow:
        """Write the first revision of an environment that this unit of work has created. The permission to create is
        enough. `known` are variables that are stored elsewhere already.
        """
        seq = unit.users.next_change(created.owner_id)
        return self._revisions.write(unit, principal, created, seq, replaced(known, variables))

    def copy(self, unit: UnitOfWork, principal: Principal, reference: str, new_name: str) -> EnvironmentRow:
        """Create an environment with the current variables of another as its first revision, on the same bases."""
        source = self._environments.find(unit, principal, reference, Permission.READ)
        created = self._environments.create(unit, principal, new_name, max_versions=source.max_versions)
        snapshot = self._snapshot(unit, source)
        audit.record(unit, principal, Action.ENVIRONMENT_COPY, environment_id=source.id, revision=snapshot.revision)
        created = self._bases.copy(unit, principal, source, created)
        return self.fill(unit, principal, created, snapshot.variables, snapshot.variables)

    def write(
        self,
        unit: UnitOfWork,
        principal: Principal,
        reference: EnvironmentRef,
        edit: Edit,
        precondition: Precondition = NO_PRECONDITION,
        *,
        always: bool = False,
    ) -> Written:
        """Apply `edit` to the current variables. With `always`, store a revision even if nothing changes."""
        row = self._for_update(unit, principal, reference, precondition)
        return self._write(unit, principal, row, precondition, edit, always=always)

    def write_row(
        self,
        unit: UnitOfWork,
        principal: Principal,
        row: EnvironmentRow,
        edit: Edit,
        precondition: Precondition = NO_PRECONDITION,
        *,
        always: bool = False,
    ) -> Written:
        """Do the same as `write` for an environment that this unit of work has found."""
        ask(unit, principal, Permission.UPDATE, target_of(row))
        _require_named(row, precondition)
        return self._write(unit, principal, row, precondition, edit, always=always)

    def _for_update(
        self, unit: UnitOfWork, principal: Principal, reference: EnvironmentRef, precondition: Precondition
    ) -> EnvironmentRow:
        row = self._environments.find(unit, principal, reference, Permission.UPDATE)
        _require_named(row, precondition)
        return row

    def _write(
        self,
        unit: UnitOfWork,
        principal: Principal,
        found: EnvironmentRow,
        precondition: Precondition,
        edit: Edit,
        *,
        always: bool = False,
    ) -> Written:
        """`edit` gets the current variables: none before the first write, and none after a deletion."""
        seq = unit.users.next_change(found.owner_id)
        # Read the row again now that the user's lock is held, because it may have changed.
        environment = unit.environments.by_id(found.owner_id, found.id)
        if environment is None or environment.deleted_us is not None:
            raise NotFound()
        # The environment may have been renamed in the meantime, so that the grant no longer covers it.
        require(principal, Permission.UPDATE, target_of(environment))
        current = self._readable(unit, environment)
        self._check(environment, current, precondition)
        before = self._sealer.open_stored(unit, environment, current) if current is not None else ()
        after = typed(before, edit(before))
        # A caller that may not read must not learn whether it guessed a value, so its write is always stored.
        may_know = allows(principal, Permission.READ, target_of(environment))
        if current is not None and after == before and may_know and not always:
            audit.record(
                unit, principal, Action.REVISION_UNCHANGED, environment_id=environment.id, revision=current.number
            )
            return Written(current.number, self._environments.etag(environment), False, before, after)
        environment = self._revisions.write(unit, principal, environment, seq, after, before)
        known = {variable.name for variable in before}
        added = tuple(variable.name for variable in after if variable.name not in known) if may_know else ()
        return Written(environment.last_number, self._environments.etag(environment), True, before, after, added)

    def _check(self, environment: EnvironmentRow, current: RevisionRow | None, precondition: Precondition) -> None:
        if precondition.none and current is not None:
            raise PreconditionFailed("There is already a revision. Read it, and send its ETag in If-Match.")
        if precondition.match is None:
            return
        if current is None or precondition.match not in ("*", self._environments.etag(environment)):
            raise PreconditionFailed()

    def _readable(self, unit: UnitOfWork, environment: EnvironmentRow) -> StoredRevision | None:
        revision = self._current(unit, environment)
        return None if revision is None or self._sealer.is_gone(revision) else revision

    def _current(self, unit: UnitOfWork, environment: EnvironmentRow) -> StoredRevision | None:
        if environment.current_revision_id is None:
            return None
        revision = unit.revisions.by_id(environment.current_revision_id)
        if revision is None:
            # Nothing in this vault deletes a current revision, so do not treat this as an empty environment.
            raise IntegrityError()
        return revision

    def _snapshot(self, unit: UnitOfWork, environment: EnvironmentRow) -> Snapshot:
        etag = self._environments.etag(environment)
        revision = self._current(unit, environment)
        if revision is None:
            return Snapshot((), None, etag, target_of(environment))
        opened = self._sealer.open_stored(unit, environment, revision)
        return Snapshot(opened, revision.number, etag, target_of(environment))


def _require_values(changes: Mapping[str, Attributes | None]) -> None:
    for name, attributes in changes.items():
        if attributes is not None and "value" not in attributes:
            told = "Send the value too: without the permission read, a variable can only be set as a whole."
            raise InvalidInput(told, path=f"variables.{name}.value")


def _require_named(row: EnvironmentRow, precondition: Precondition) -> None:
    if row.cas_required and precondition == NO_PRECONDITION:
        raise PreconditionRequired(
            "A write to this environment must name the revision that it replaces. Send its ETag in If-Match."
        )
