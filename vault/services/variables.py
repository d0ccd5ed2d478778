"""What is in an environment: read all variables, replace them, merge changes, one at a time; each write a revision."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vault.errors import InvalidInput, NotFound, PreconditionFailed, PreconditionRequired
from vault.model.environment import DESCRIPTION_MAX_CHARACTERS, Variable, VariableType, check_variable_name
from vault.model.grant import Permission
from vault.model.policy import require
from vault.model.principal import Principal
from vault.services.environments import Environments, target_of
from vault.services.sealing import Sealer
from vault.storage import Record, Storage, UnitOfWork

Edit = Callable[[tuple[Variable, ...]], tuple[Variable, ...]]


@dataclass(frozen=True, slots=True)
class Precondition:
    """What the caller read before: an ETag (`If-Match`), or that there is nothing to read (`If-None-Match: *`)."""

    match: str | None = None
    none: bool = False


NO_PRECONDITION = Precondition()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The current variables, the number of their revision (None before the first write), and their ETag."""

    variables: tuple[Variable, ...]
    revision: int | None
    etag: str


@dataclass(frozen=True, slots=True)
class Written:
    """Where a write has led: the current revision and its ETag. `changed` is False when there was nothing to do."""

    revision: int | None
    etag: str
    changed: bool


class Variables:
    """The current variables of environments."""

    def __init__(self, storage: Storage, environments: Environments, sealer: Sealer) -> None:
        self._storage = storage
        self._environments = environments
        self._sealer = sealer

    def read(self, principal: Principal, reference: str | None) -> Snapshot:
        """All current variables, in order. Raises `NotFound`, `RevisionDeleted`."""
        with self._storage.read() as unit:
            row = self._environments.find(unit, principal, reference, Permission.READ)
            return self._snapshot(unit, row)

    def read_one(self, principal: Principal, reference: str | None, name: str) -> tuple[Variable, Snapshot]:
        """One variable and the snapshot that it is of. Raises `NotFound`."""
        snapshot = self.read(principal, reference)
        name = _normal(name)
        for variable in snapshot.variables:
            if variable.name == name:
                return variable, snapshot
        raise NotFound("There is no variable of this name.")

    def replace(
        self,
        unit: UnitOfWork,
        principal: Principal,
        reference: str | None,
        variables: Sequence[Variable],
        precondition: Precondition,
    ) -> Written:
        """Replace all variables. Raises `PreconditionRequired` without a precondition, `PreconditionFailed`."""
        row = self._for_update(unit, principal, reference)
        if precondition == NO_PRECONDITION:
            raise PreconditionRequired()
        return self._write(unit, principal, row, precondition, lambda _: tuple(map(checked, variables)))

    def patch(
        self,
        unit: UnitOfWork,
        principal: Principal,
        reference: str | None,
        changes: Mapping[str, Mapping[str, Any] | None],
        precondition: Precondition = NO_PRECONDITION,
    ) -> Written:
        """Merge changes, all in one revision: None removes, a mapping sets the attributes that it names.

        Raises `InvalidInput` for a new variable without a value.
        """
        row = self._for_update(unit, principal, reference)
        return self._write(unit, principal, row, precondition, lambda current: merge(current, changes))

    def put_one(
        self,
        unit: UnitOfWork,
        principal: Principal,
        reference: str | None,
        variable: Variable,
        precondition: Precondition = NO_PRECONDITION,
    ) -> Written:
        """Set one variable as a whole, keeping its place."""
        names = ("value", "type", "enabled", "literal", "description")
        attributes = {name: getattr(variable, name) for name in names}
        return self.patch(unit, principal, reference, {variable.name: attributes}, precondition)

    def delete_one(
        self,
        unit: UnitOfWork,
        principal: Principal,
        reference: str | None,
        name: str,
        precondition: Precondition = NO_PRECONDITION,
    ) -> Written:
        """Take one variable out. Raises `NotFound` when it is not there."""
        row = self._for_update(unit, principal, reference)
        name = _normal(name)

        def without(current: tuple[Variable, ...]) -> tuple[Variable, ...]:
            left = tuple(variable for variable in current if variable.name != name)
            if len(left) == len(current):
                raise NotFound("There is no variable of this name.")
            return left

        return self._write(unit, principal, row, precondition, without)

    def fill(self, unit: UnitOfWork, principal: Principal, created: Record, variables: Sequence[Variable]) -> Record:
        """Write the first revision of an environment that this unit of work has created: creating allows it."""
        seq = unit.users.next_change(principal.user_id)
        return self._environments.store(unit, principal, created, seq, tuple(map(checked, variables)))

    def copy(self, unit: UnitOfWork, principal: Principal, reference: str, new_name: str) -> Record:
        """Make a new environment with the current variables of another as its first revision."""
        source = self._environments.find(unit, principal, reference, Permission.READ)
        created = self._environments.create(unit, principal, new_name, max_versions=source.max_versions)
        return self.fill(unit, principal, created, self._snapshot(unit, source).variables)

    def write(
        self, unit: UnitOfWork, principal: Principal, reference: str | None, edit: Edit, *, always: bool = False
    ) -> Written:
        """Apply `edit` to the current variables. `always` stores a revision even where nothing changes."""
        row = self._for_update(unit, principal, reference)
        return self._write(unit, principal, row, NO_PRECONDITION, edit, always=always)

    def current(self, unit: UnitOfWork, environment: Record) -> tuple[Variable, ...]:
        """The current variables for a writer; empty before the first write and after a deletion."""
        revision = self._readable(unit, environment)
        return self._sealer.open_stored(unit, environment, revision) if revision is not None else ()

    def _for_update(self, unit: UnitOfWork, principal: Principal, reference: str | None) -> Record:
        return self._environments.find(unit, principal, reference, Permission.UPDATE)

    def _write(
        self,
        unit: UnitOfWork,
        principal: Principal,
        found: Record,
        precondition: Precondition,
        edit: Edit,
        *,
        always: bool = False,
    ) -> Written:
        seq = unit.users.next_change(principal.user_id)
        # Only now that the user's lock is held: the row that was found before may have moved on.
        environment = unit.environments.by_id(found.owner_id, found.id)
        if environment is None or environment.deleted_us is not None:
            raise NotFound()
        # A rename while this write waited for its turn may have led out of what was granted.
        require(principal, Permission.UPDATE, target_of(environment))
        before = self.current(unit, environment)
        self._check(unit, environment, precondition)
        after = edit(before)
        if after == before and environment.current_revision_id is not None and not always:
            current = unit.revisions.by_id(environment.current_revision_id)
            number = current.number if current else None
            return Written(number, self._environments.etag(environment), changed=False)
        environment = self._environments.store(unit, principal, environment, seq, after)
        return Written(environment.last_number, self._environments.etag(environment), changed=True)

    def _check(self, unit: UnitOfWork, environment: Record, precondition: Precondition) -> None:
        readable = self._readable(unit, environment) is not None
        if precondition.none and readable:
            raise PreconditionFailed("There is a revision already: read it, and send its ETag in If-Match.")
        if precondition.match is None:
            return
        if not readable or precondition.match not in ("*", self._environments.etag(environment)):
            raise PreconditionFailed()

    def _readable(self, unit: UnitOfWork, environment: Record) -> Record | None:
        if environment.current_revision_id is None:
            return None
        revision = unit.revisions.by_id(environment.current_revision_id)
        if revision is None or self._sealer.is_gone(revision):
            return None
        return revision

    def _snapshot(self, unit: UnitOfWork, environment: Record) -> Snapshot:
        etag = self._environments.etag(environment)
        if environment.current_revision_id is None:
            return Snapshot((), None, etag)
        revision = unit.revisions.by_id(environment.current_revision_id)
        if revision is None:
            raise NotFound()
        return Snapshot(self._sealer.open_stored(unit, environment, revision), revision.number, etag)


def merge(current: Iterable[Variable], changes: Mapping[str, Mapping[str, Any] | None]) -> tuple[Variable, ...]:
    """`current` with `changes`: those that stay keep their place, new ones come last, None takes one out."""
    merged = {variable.name: variable for variable in current}
    for raw, attributes in changes.items():
        name = check_variable_name(raw, path=f"variables.{raw}")
        if attributes is None:
            merged.pop(name, None)
            continue
        before = merged.get(name)
        if before is None and "value" not in attributes:
            raise InvalidInput("A new variable needs a value.", path=f"variables.{raw}.value")
        merged[name] = checked(replace(before or Variable(name, ""), **attributes))
    return tuple(merged.values())


def checked(variable: Variable) -> Variable:
    """The variable with its name in NFC. Raises `InvalidInput` for what cannot be stored."""
    name = check_variable_name(variable.name)
    for what, text in (("value", variable.value), ("description", variable.description)):
        if isinstance(text, str) and any("\ud800" <= character <= "\udfff" for character in text):
            raise InvalidInput("Half a surrogate pair is not text.", path=f"variables.{name}.{what}")
    if len(variable.description) > DESCRIPTION_MAX_CHARACTERS:
        raise InvalidInput(
            f"A description has at most {DESCRIPTION_MAX_CHARACTERS} characters.", path=f"variables.{name}.description"
        )
    return replace(variable, name=name, type=VariableType(variable.type))


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)
