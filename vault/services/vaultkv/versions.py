"""Environments as a Vault client sees them: a map of JSON values in numbered versions, which can be hidden, restored
and destroyed.

A version is a revision. What a Vault client does not know is kept: the attributes of names that remain after a write,
and disabled variables, which it does not see.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vault.errors import (
    IntegrityError,
    InvalidInput,
    NameTaken,
    NotFound,
    NotGranted,
    PreconditionFailed,
    PreconditionRequired,
    RevisionDeleted,
)
from vault.model.action import Action
from vault.model.clock import Clock
from vault.model.environment import Variable, normal, resolve_live
from vault.model.event import OK, UNCHANGED
from vault.model.grant import Permission
from vault.model.policy import allows, require
from vault.model.principal import Principal
from vault.model.strict_json import WrittenJson
from vault.services import audit
from vault.services.environments.documents import Document
from vault.services.environments.editing import checked
from vault.services.environments.permissions import ask, target_of
from vault.services.environments.revision_writer import RevisionWriter
from vault.services.environments.sealing import Sealer
from vault.services.environments.values import ValuesReader, current_of
from vault.services.own.instance import Instance
from vault.services.vaultkv.metadata import Metadata
from vault.storage import ColumnValues, EnvironmentRow, Layer, RevisionRow, Stale, Storage, StoredRevision, UnitOfWork

Edit = Callable[[tuple[Variable, ...]], tuple[Variable, ...]]

CURRENT = 0
"""The number of the current version."""


@dataclass(frozen=True, slots=True)
class Version:
    """The facts of a version. Its values may be gone. Times are microseconds since 1970."""

    number: int
    created_us: int
    deletion_us: int | None
    destroyed: bool
    custom_metadata: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which version to read, and whether to resolve `{{references}}` in its texts."""

    number: int = CURRENT
    resolve: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A version that was read. `values` is None if it is gone, or if the caller already has it."""

    version: Version
    etag: str
    values: dict[str, WrittenJson] | None = field(default=None, repr=False)
    is_gone: bool = False
    warnings: tuple[str, ...] = ()


class Versions:
    """The versions of environments. They are addressed by name."""

    def __init__(
        self,
        storage: Storage,
        instance: Instance,
        revisions: RevisionWriter,
        metadata: Metadata,
        values: ValuesReader,
        sealer: Sealer,
        reads: audit.ReadLog,
        clock: Clock,
    ) -> None:
        self._reads = reads
        self._storage = storage
        self._instance = instance
        self._revisions = revisions
        self._metadata = metadata
        self._values = values
        self._sealer = sealer
        self._clock = clock

    def read(
        self, principal: Principal, name: str, wanted: Wanted = Wanted(), known_etags: Collection[str] = ()
    ) -> Found:
        """Read one version. The current one needs the permission `read`, an older one `history`.

        Raises `NotGranted`, `NotFound`, `ClientSealed`, `ResolutionTooLarge`.
        """
        found = self._values.layers(principal, name)
        own = found.own
        require(principal, Permission.READ, target_of(own.environment if own else None, name))
        current = current_of(own) if own is not None else None
        if own is None or current is None:
            raise NotFound()
        if wanted.number not in (CURRENT, current.number):
            return self._older(principal, own.environment, wanted, known_etags)
        version = _version(current, self._custom(own))
        layers, warnings = self._values.usable(principal, found) if wanted.resolve else ([own], ())
        etag = self._etag([_identity(layer.environment) for layer in layers], wanted, warnings)
        # Check this before the ETag: a version whose deletion time has come must not be answered with a 304.
        if self._sealer.is_gone(current):
            return Found(version, etag, is_gone=True)
        if etag in known_etags:
            self._values.record(principal, Action.VERSION_READ, layers, UNCHANGED)
            return Found(version, etag)
        values, told = self._opened(layers, wanted)
        self._values.record(principal, Action.VERSION_READ, layers, OK)
        return Found(version, etag, values, warnings=(*warnings, *told))

    def write(
        self, unit: UnitOfWork, principal: Principal, name: str, edit: Edit, *, cas: int | None, create: bool = True
    ) -> Version:
        """Apply `edit` to the current variables, and store the result as a new version. Create the environment if
        needed.

        `cas` is the number that the current version must have, 0 for none. Without `create`, there must be a version.
        Raises `PreconditionFailed`, `PreconditionRequired`, `NotFound`, `RevisionDeleted`.
        """
        row = unit.environments.by_name(principal.user_id, name)
        ask(unit, principal, Permission.UPDATE if row else Permission.CREATE, target_of(row, name))
        if row is None:
            if not create:
                raise NotFound()
            _check_cas(0, cas, required=self._metadata.defaults_of(unit, principal).cas_required)
            row = self._created(unit, principal, name)
        seq = unit.users.next_change(row.owner_id)
        environment = self._held(unit, row)
        _check_cas(environment.last_number, cas, required=environment.cas_required)
        before = self._current_variables(unit, environment)
        if before is None and not create:
            raise RevisionDeleted()
        stored = self._revisions.write(unit, principal, environment, seq, edit(before or ()), before or ())
        written = unit.revisions.by_id(stored.current_revision_id or "")
        if written is None:
            raise IntegrityError()
        return _version(written, custom_metadata(self._sealer.open_metadata(unit, stored)))

    def delete(self, unit: UnitOfWork, principal: Principal, name: str, numbers: Collection[int] | None) -> None:
        """Hide versions (None: the current one) until they are restored. Numbers that do not exist are ignored."""
        now = self._clock()

        def hide(row: StoredRevision) -> ColumnValues | None:
            return None if self._sealer.is_gone(row) else {"deletion_us": now}

        self._change(unit, principal, name, numbers, Permission.DELETE, Action.REVISION_DELETE, hide)

    def undelete(self, unit: UnitOfWork, principal: Principal, name: str, numbers: Collection[int]) -> None:
        """Restore hidden versions, and cancel future deletion times."""

        def show(row: StoredRevision) -> ColumnValues | None:
            return None if row.destroyed or row.deletion_us is None else {"deletion_us": None}

        self._change(unit, principal, name, numbers, Permission.UPDATE, Action.REVISION_UNDELETE, show)

    def destroy(self, unit: UnitOfWork, principal: Principal, name: str, numbers: Collection[int]) -> None:
        """Delete the values of versions for good. Their numbers and times are kept."""

        def remove(row: StoredRevision) -> ColumnValues | None:
            return None if row.destroyed else {"destroyed": True, "blob": None, "data_key_id": None, "size": 0}

        self._change(unit, principal, name, numbers, Permission.DELETE, Action.REVISION_DESTROY, remove)

    def _change(
        self,
        unit: UnitOfWork,
        principal: Principal,
        name: str,
        numbers: Collection[int] | None,
        permission: Permission,
        action: Action,
        decide: Callable[[StoredRevision], ColumnValues | None],
    ) -> None:
        found = unit.environments.by_name(principal.user_id, name)
        ask(unit, principal, permission, target_of(found, name))
        if found is None:
            return
        seq = unit.users.next_change(found.owner_id)
        environment = self._held(unit, found)
        wanted = [environment.last_number] if numbers is None else numbers
        changes = [(row, decide(row)) for row in unit.revisions.numbered(environment.id, wanted)]
        done = [(row, columns) for row, columns in changes if columns is not None]
        if not done:
            return
        now, state = self._clock(), environment.state_generation + 1
        freed = sum(row.size for row, columns in done if columns.get("size") == 0)
        for row, columns in done:
            unit.revisions.change(row, **columns)
        unit.changes.add(found.owner_id, seq, action, environment.id, done[-1][0].number, now)
        left = environment.bytes_stored - freed
        unit.environments.change(environment, bytes_stored=left, state_generation=state, updated_us=now)
        for row, _ in done:
            audit.record(unit, principal, action, environment_id=environment.id, revision=row.number)

    def _created(self, unit: UnitOfWork, principal: Principal, name: str) -> EnvironmentRow:
        try:
            return self._metadata.create(unit, principal, name)
        except NameTaken as error:
            # Somebody else has created it in the meantime. Start again from the beginning.
            raise Stale("environments") from error

    def _held(self, unit: UnitOfWork, found: EnvironmentRow) -> EnvironmentRow:
        """Return the environment as it is now, when the user's lock is held."""
        row = unit.environments.by_id(found.owner_id, found.id)
        if row is None or row.deleted_us is not None or row.name != found.name:
            raise Stale("environments")
        return row

    def _current_variables(self, unit: UnitOfWork, environment: EnvironmentRow) -> tuple[Variable, ...] | None:
        if environment.current_revision_id is None:
            return None
        revision = unit.revisions.by_id(environment.current_revision_id)
        if revision is None:
            raise IntegrityError()
        return None if self._sealer.is_gone(revision) else self._sealer.open_stored(unit, environment, revision)

    def _older(
        self, principal: Principal, environment: EnvironmentRow, wanted: Wanted, known_etags: Collection[str]
    ) -> Found:
        if not allows(principal, Permission.HISTORY, target_of(environment)):
            # The caller may read the environment, so this tells nothing about it.
            raise NotGranted("An older version needs the permission history.")
        if wanted.resolve:
            raise InvalidInput("References can only be resolved in the current version.", path="resolve")
        with self._storage.read() as unit:
            revision = unit.revisions.by_number(environment.id, wanted.number)
            row = unit.environments.by_id(environment.owner_id, environment.id)
            if revision is None or row is None:
                raise NotFound()
            version = _version(revision, custom_metadata(self._sealer.open_metadata(unit, row)))
            etag = self._etag([_identity(row)], wanted, ())
            if self._sealer.is_gone(revision):
                return Found(version, etag, is_gone=True)
            known = etag in known_etags
            values = None if known else _shown(self._sealer.open_stored(unit, row, revision))
        result = UNCHANGED if known else OK
        self._reads.read(principal, Action.VERSION_READ, environment.id, revision.number, result=result)
        return Found(version, etag, values)

    def _opened(self, layers: Sequence[Layer], wanted: Wanted) -> tuple[dict[str, WrittenJson], tuple[str, ...]]:
        opened = [self._sealer.open_live(layer) for layer in layers]
        values = {name: value for name, value, _ in opened[-1]}
        if not wanted.resolve:
            return values, ()
        resolved = resolve_live(opened)
        texts = {name: resolved.values[name] if isinstance(value, str) else value for name, value in values.items()}
        return texts, resolved.about(values)

    def _custom(self, layer: Layer) -> dict[str, str] | None:
        if layer.environment.metadata_blob is None:
            return None
        metadata = self._sealer.metadata_under(layer.environment, layer.data_key, layer.user_key)
        if metadata is None:
            # The metadata is sealed under another data key than the revision. This is rare, so a second query is fine.
            with self._storage.read() as unit:
                row = unit.environments.by_id(layer.environment.owner_id, layer.environment.id)
                metadata = self._sealer.open_metadata(unit, row) if row is not None else {}
        return custom_metadata(metadata)

    def _etag(self, parts: Sequence[Sequence[str | int | None]], wanted: Wanted, warnings: Sequence[str]) -> str:
        text = json.dumps([parts, wanted.number, wanted.resolve, *warnings], separators=(",", ":"))
        return self._instance.digest("version etag", text)[:16].hex()


def replaced(current: tuple[Variable, ...], values: Mapping[str, WrittenJson]) -> tuple[Variable, ...]:
    """Return `current` with exactly these values.

    Names that remain keep their attributes, and disabled variables are kept. A disabled name that is written is
    enabled.
    """
    old = {variable.name: variable for variable in current}
    written = (checked(Variable(name, value), old) for name, value in values.items())
    new = {variable.name: variable for variable in written}
    if len(new) != len(values):
        raise _same_names()
    kept = [
        replace(variable, value=new[name].value, enabled=True) if name in new else variable
        for name, variable in old.items()
        if name in new or not variable.enabled
    ]
    return (*kept, *(variable for name, variable in new.items() if name not in old))


def _same_names() -> InvalidInput:
    return InvalidInput("Two of these names are the same after Unicode normalisation.", path="data")


def merged(current: tuple[Variable, ...], patch: Mapping[str, WrittenJson]) -> tuple[Variable, ...]:
    """Return `current` after a JSON merge patch (RFC 7396) on what a Vault client sees of it.

    The names are normalised first. Otherwise an error would tell a writer that may not read which names exist.
    """
    named = {normal(name): value for name, value in patch.items()}
    if len(named) != len(patch):
        raise _same_names()
    return replaced(current, _merged_objects(_shown(current), named))


def merge_patch(target: WrittenJson, patch: WrittenJson) -> WrittenJson:
    """Apply a patch (RFC 7396, section 2): objects are merged, null removes a name, anything else replaces."""
    return _merged_objects(target, patch) if isinstance(patch, Mapping) else patch


def _merged_objects(target: WrittenJson, patch: Mapping[str, WrittenJson]) -> dict[str, WrittenJson]:
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def custom_metadata(metadata: Document) -> dict[str, str] | None:
    """Return the custom metadata of an environment, or None if there is none."""
    return metadata.get("custom_metadata") or None


def _check_cas(current: int, cas: int | None, *, required: bool) -> None:
    if cas is None and required:
        raise PreconditionRequired("A write to this environment must name the version that it replaces.")
    if cas is not None and cas != current:
        raise PreconditionFailed()


def _shown(variables: Sequence[Variable]) -> dict[str, WrittenJson]:
    return {variable.name: variable.value for variable in variables if variable.enabled}


def _identity(environment: EnvironmentRow) -> list[str | int | None]:
    return [environment.id, environment.current_revision_id, environment.state_generation]


def _version(row: RevisionRow, custom: dict[str, str] | None) -> Version:
    return Version(row.number, row.created_us, row.deletion_us, row.destroyed, custom)
