"""Environments: list, create, rename, copy, delete, restore. `variables.py` has their content."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence

from vault.errors import InvalidInput, NameTaken, NotFound, NotGranted, QuotaExceeded
from vault.model.action import Action
from vault.model.bases import split
from vault.model.clock import Clock
from vault.model.environment import (
    GLOBALS,
    Environment,
    EnvironmentKind,
    EnvironmentRef,
    Sealing,
    canonical,
    check_environment_name,
    looks_like_id,
)
from vault.model.grant import Permission, Target
from vault.model.names import check_visible
from vault.model.policy import allows
from vault.model.principal import Principal
from vault.services import audit
from vault.services.environments.documents import Document
from vault.services.environments.permissions import ask, ask_rules, ask_to_move, target_of
from vault.services.environments.rules import (
    MAX_VERSIONS_DEFAULT,
    checked_description,
    checked_seconds,
    checked_versions,
)
from vault.services.environments.sealing import Sealer
from vault.services.environments.standing import deletion_warnings
from vault.services.environments.wishes import Wishes, sealed_of
from vault.services.own.instance import Instance
from vault.storage import ColumnValue, ColumnValues, EnvironmentRow, RevisionRow, Storage, UnitOfWork

_STEP_LEAST = 500
"""How many environments a list reads at least in one statement."""


class Environments:
    """The environments of all users. A reference is an environment's id, its name, or `GLOBALS`."""

    def __init__(
        self,
        storage: Storage,
        instance: Instance,
        sealer: Sealer,
        reads: audit.ReadLog,
        clock: Clock,
        *,
        quota: int,
    ) -> None:
        """`quota` is how many environments a person may have."""
        self._quota = quota
        self._reads = reads
        self._storage = storage
        self._instance = instance
        self._sealer = sealer
        self._clock = clock

    def find(
        self, unit: UnitOfWork, principal: Principal, reference: EnvironmentRef, permission: Permission
    ) -> EnvironmentRow:
        """Return the environment that `reference` means, if `principal` has `permission` on it.

        Raises `NotGranted` without the permission, whether the environment exists or not, and otherwise `NotFound` if
        it does not exist.
        """
        row = self.look_up(unit, principal, reference, permission)
        if row is None:
            raise NotFound()
        return row

    def look_up(
        self, unit: UnitOfWork, principal: Principal, reference: EnvironmentRef, permission: Permission
    ) -> EnvironmentRow | None:
        """Do the same as `find`, but return None if the environment does not exist."""
        row = self._look_up(unit, principal, reference)
        ask(unit, principal, permission, target_of(row, reference))
        return None if row is None or row.deleted_us is not None else row

    def require(self, principal: Principal, reference: EnvironmentRef, permissions: Collection[Permission]) -> None:
        """Raise `NotGranted` unless `principal` has one of `permissions` on `reference`, whether it exists or not.

        For calls with a large body: this check comes before parsing it. The call itself checks again.
        """
        if principal.grants is None:
            return
        with self._storage.read() as unit:
            target = target_of(self._look_up(unit, principal, reference), reference)
        if not any(allows(principal, permission, target) for permission in permissions):
            raise NotGranted()

    def list(
        self, principal: Principal, *, name: str | None = None, deleted: bool = False, after: str = "", limit: int
    ) -> list[Environment]:
        """Return the environments that `principal` may list, by name (deleted ones by id), after a position."""
        name = canonical(name) if name is not None else None
        with self._storage.read() as unit:
            found: list[EnvironmentRow] = []
            # Read many rows at once. Otherwise a token that may list only a few of them would need a statement for each
            # row.
            step = max(limit, _STEP_LEAST)
            while len(found) < limit:
                page = unit.environments.page(principal.user_id, deleted=deleted, name=name, after=after, limit=step)
                found += [row for row in page if allows(principal, Permission.LIST, target_of(row))]
                if len(page) < step:
                    break
                after = page[-1].id if deleted else page[-1].name
            views = list(self.views(unit, found[:limit]))
        self._reads.read(principal, Action.ENVIRONMENT_LIST)
        return views

    def get(self, principal: Principal, reference: EnvironmentRef) -> Environment:
        """Return one environment, without its values. Raises `NotFound`."""
        with self._storage.read() as unit:
            view = self.view(unit, self.find(unit, principal, reference, Permission.LIST))
        self._reads.read(principal, Action.ENVIRONMENT_READ, view.id)
        return view

    def etag(self, environment: EnvironmentRow) -> str:
        """Return the ETag of an environment's own variables. It reveals nothing about them."""
        parts = (environment.id, environment.current_revision_id or "", str(environment.state_generation))
        return self._instance.digest("variables etag", *parts)[:16].hex()

    def create(
        self,
        unit: UnitOfWork,
        principal: Principal,
        name: str,
        *,
        description: str = "",
        max_versions: int = MAX_VERSIONS_DEFAULT,
    ) -> EnvironmentRow:
        """Create an empty environment. Raises `NotGranted`, `NameTaken`, `QuotaExceeded`, `InvalidInput`."""
        name = check_visible(check_environment_name(name))
        ask(unit, principal, Permission.CREATE, Target(EnvironmentKind.ENVIRONMENT, name))
        seq = unit.users.next_change(principal.user_id)
        self._check_room(unit, principal, name)
        row = self.add_row(
            unit,
            principal.user_id,
            EnvironmentKind.ENVIRONMENT,
            name,
            description=checked_description(description),
            max_versions=checked_versions(max_versions),
        )
        unit.changes.add(row.owner_id, seq, Action.ENVIRONMENT_CREATE, row.id, None, row.created_us, new_name=row.name)
        audit.record(unit, principal, Action.ENVIRONMENT_CREATE, environment_id=row.id)
        return row

    def add_row(
        self,
        unit: UnitOfWork,
        owner_id: str,
        kind: EnvironmentKind,
        name: str,
        *,
        description: str = "",
        max_versions: int = MAX_VERSIONS_DEFAULT,
    ) -> EnvironmentRow:
        """Store an environment with its first data key. For services, which have checked the permission."""
        environment_id, now = str(uuid.uuid4()), self._clock()
        fresh = {"current_revision_id": None, "metadata_blob": None, "deleted_us": None}
        counters = {"last_number": 0, "bytes_stored": 0, "state_generation": 0, "metadata_generation": 0}
        rules = {"max_versions": max_versions, "cas_required": False, "delete_version_after_seconds": 0}
        unit.environments.add(
            id=environment_id,
            owner_id=owner_id,
            kind=str(kind),
            name=name,
            sealing=str(Sealing.SERVER),
            created_us=now,
            updated_us=now,
            **fresh,
            **counters,
            **rules,
        )
        self._sealer.add_data_key(unit, owner_id, environment_id)
        row = unit.environments.by_id(owner_id, environment_id)
        if row is None:
            raise NotFound()
        return unit.environments.change(row, **self.telling(unit, row, description=description)) if description else row

    def change(
        self, unit: UnitOfWork, principal: Principal, reference: EnvironmentRef, wishes: Wishes
    ) -> EnvironmentRow:
        """Change the name, the description or the rules. Raises `NotFound`, `NameTaken`, `InvalidInput`."""
        row = self.find(unit, principal, reference, Permission.UPDATE)
        ask_rules(unit, principal, row, wishes)
        seq, now = unit.users.next_change(row.owner_id), self._clock()
        columns: dict[str, ColumnValue] = {"updated_us": now, "state_generation": row.state_generation + 1}
        if "name" in wishes and wishes["name"] != row.name:
            columns["name"] = self._checked_new_name(unit, principal, row, wishes["name"])
        if "max_versions" in wishes:
            columns |= self._keeping(unit, row, checked_versions(wishes["max_versions"]))
        if "cas_required" in wishes:
            columns["cas_required"] = wishes["cas_required"]
        if "delete_version_after_seconds" in wishes:
            columns["delete_version_after_seconds"] = checked_seconds(wishes["delete_version_after_seconds"])
        told: Document = {**sealed_of(wishes)}
        if "description" in wishes:
            told["description"] = checked_description(wishes["description"])
        if told:
            columns |= self.telling(unit, row, **told)
        changed = unit.environments.change(row, **columns)
        names = {"old_name": row.name, "new_name": changed.name} if changed.name != row.name else {}
        unit.changes.add(row.owner_id, seq, Action.ENVIRONMENT_CHANGE, row.id, None, now, **names)
        audit.record(unit, principal, Action.ENVIRONMENT_CHANGE, environment_id=row.id)
        return changed

    def delete(self, unit: UnitOfWork, principal: Principal, reference: str) -> tuple[str, ...]:
        """Delete an environment. It can be restored for 30 days. Returns warnings. Raises `NotFound`."""
        row = self.find(unit, principal, reference, Permission.DELETE)
        if row.kind == EnvironmentKind.GLOBALS:
            raise InvalidInput("The globals cannot be deleted. Delete their variables instead.")
        seq, now = unit.users.next_change(row.owner_id), self._clock()
        unit.environments.change(row, deleted_us=now, state_generation=row.state_generation + 1)
        was, delete = split(row.base_ids), Action.ENVIRONMENT_DELETE
        unit.changes.add(row.owner_id, seq, delete, row.id, None, now, old_name=row.name, old_bases=was)
        audit.record(unit, principal, Action.ENVIRONMENT_DELETE, environment_id=row.id)
        return deletion_warnings(unit, row)

    def undelete(self, unit: UnitOfWork, principal: Principal, reference: str, new_name: str | None) -> EnvironmentRow:
        """Restore a deleted environment, by id or name (the last deleted one). A new name may be given."""
        row = self._look_up_deleted(unit, principal, reference)
        ask(unit, principal, Permission.UPDATE, target_of(row, reference))
        if row is None:
            raise NotFound()
        seq, now = unit.users.next_change(row.owner_id), self._clock()
        name = row.name if new_name is None else check_visible(check_environment_name(new_name))
        ask(unit, principal, Permission.CREATE, Target(EnvironmentKind.ENVIRONMENT, name))
        if unit.environments.by_name(row.owner_id, name) is not None:
            raise NameTaken("Another environment has this name now. Give a new name to restore this one.")
        if name != row.name:
            ask_to_move(unit, principal, row)
        columns = {"deleted_us": None, "name": name, "state_generation": row.state_generation + 1}
        restored = unit.environments.change(row, **columns, updated_us=now)
        names = {"old_name": row.name if row.name != name else None, "new_name": name}
        unit.changes.add(row.owner_id, seq, Action.ENVIRONMENT_UNDELETE, row.id, None, now, **names)
        audit.record(unit, principal, Action.ENVIRONMENT_UNDELETE, environment_id=row.id)
        return restored

    def view(self, unit: UnitOfWork, row: EnvironmentRow) -> Environment:
        """Return what a caller with `list` may see of an environment."""
        return self.views(unit, [row])[0]

    def views(self, unit: UnitOfWork, rows: Sequence[EnvironmentRow]) -> Sequence[Environment]:
        """Return `view` of many environments, with as many statements as for one."""
        revisions = unit.revisions.facts_of(row.current_revision_id for row in rows if row.current_revision_id)
        metadata = self._sealer.open_metadata_of(unit, rows)
        return [
            _view(row, revisions.get(row.current_revision_id or ""), told)
            for row, told in zip(rows, metadata, strict=True)
        ]

    def _look_up(self, unit: UnitOfWork, principal: Principal, reference: EnvironmentRef) -> EnvironmentRow | None:
        if reference is GLOBALS:
            return unit.environments.globals(principal.user_id)
        find = unit.environments.by_id if looks_like_id(reference) else unit.environments.by_name
        return find(principal.user_id, canonical(reference))

    def _look_up_deleted(self, unit: UnitOfWork, principal: Principal, reference: str) -> EnvironmentRow | None:
        if looks_like_id(reference):
            row = unit.environments.by_id(principal.user_id, canonical(reference))
            return row if row is not None and row.deleted_us is not None else None
        return unit.environments.latest_deleted(principal.user_id, canonical(reference))

    def telling(self, unit: UnitOfWork, row: EnvironmentRow, **told: object) -> ColumnValues:
        """Return the columns of `row` after adding `told` to its sealed metadata. For services, which have checked the
        permission.
        """
        generation = row.metadata_generation + 1
        metadata = self._sealer.open_metadata(unit, row) | told
        blob = self._sealer.seal_metadata(unit, row, generation, metadata)
        return {"metadata_blob": blob, "metadata_generation": generation}

    @staticmethod
    def _keeping(unit: UnitOfWork, row: EnvironmentRow, number: int) -> ColumnValues:
        """Return the columns for another `max_versions`. A lower number deletes revisions, whoever wrote them."""
        if number >= row.max_versions:
            return {"max_versions": number}
        freed = unit.revisions.drop_up_to(row.id, row.last_number - number)
        return {"max_versions": number, "bytes_stored": row.bytes_stored - freed}

    def _check_room(self, unit: UnitOfWork, principal: Principal, name: str) -> None:
        if unit.environments.by_name(principal.user_id, name) is not None:
            raise NameTaken("You already have an environment with this name.")
        if unit.environments.count(principal.user_id) >= self._quota:
            raise QuotaExceeded(
                "You have reached the limit of environments. Deleted ones count until they are purged or erased."
            )

    def _checked_new_name(self, unit: UnitOfWork, principal: Principal, row: EnvironmentRow, name: str) -> str:
        if row.kind == EnvironmentKind.GLOBALS:
            raise InvalidInput("The globals cannot be renamed.", path="name")
        name = check_visible(check_environment_name(name))
        ask_to_move(unit, principal, row)
        ask(unit, principal, Permission.CREATE, Target(EnvironmentKind.ENVIRONMENT, name))
        if unit.environments.by_name(principal.user_id, name) is not None:
            raise NameTaken("You already have an environment with this name.")
        return name


def _view(row: EnvironmentRow, current: RevisionRow | None, metadata: Document) -> Environment:
    return Environment(
        id=row.id,
        owner_id=row.owner_id,
        kind=EnvironmentKind(row.kind),
        name=row.name,
        sealing=Sealing(row.sealing),
        revision=current.number if current else None,
        description=metadata.get("description", ""),
        max_versions=row.max_versions,
        cas_required=row.cas_required,
        delete_version_after_seconds=row.delete_version_after_seconds,
        created_us=row.created_us,
        updated_us=row.updated_us,
        bases=split(row.base_ids),
        deleted_us=row.deleted_us,
    )
