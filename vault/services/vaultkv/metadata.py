"""What a Vault client sees of environments except their values: names by folder, rules for versions, custom metadata,
and the defaults for new environments.

Custom metadata is sealed with the environment, and the defaults with the globals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from vault.errors import IntegrityError, InvalidInput, NameTaken, NotGranted
from vault.model.action import Action
from vault.model.bases import split
from vault.model.clock import Clock
from vault.model.environment import EnvironmentKind, Revision
from vault.model.grant import Permission, Target, path_covers
from vault.model.policy import allows, require
from vault.model.principal import Principal
from vault.services import audit
from vault.services.environments.documents import Document, known_members
from vault.services.environments.environments import Environments
from vault.services.environments.history import facts_of
from vault.services.environments.permissions import ask, target_of
from vault.services.environments.rules import MAX_VERSIONS_DEFAULT, checked_seconds, checked_versions
from vault.services.environments.sealing import Sealer
from vault.services.environments.standing import deletion_warnings
from vault.services.environments.wishes import Wishes, rules_of, sealed_of
from vault.storage import EnvironmentRow, Stale, Storage, UnitOfWork

CUSTOM_PAIRS_MOST = 64
CUSTOM_KEY_MOST_BYTES = 128
CUSTOM_VALUE_MOST_BYTES = 512
"""The limits are Vault's."""

EVERYWHERE = Target(EnvironmentKind.ENVIRONMENT, "*")
"""Stands for all environments. Only a grant on the path `*` covers it."""

_DEFAULTS = "kv_defaults"
_ASKED_DEFAULT = "default_max_versions"
"""The member with the number of versions that was set because a client asked for 0, the default. While that number is
in force, it reads back as 0.
"""


@dataclass(frozen=True, slots=True)
class Defaults:
    """The rules that a new environment starts with, if a Vault client creates it.

    To show them, `max_versions` is 0 if a client has set it to 0, as for `EnvironmentMetadata`.
    """

    max_versions: int = MAX_VERSIONS_DEFAULT
    cas_required: bool = False
    delete_version_after_seconds: int = 0


@dataclass(frozen=True, slots=True)
class EnvironmentMetadata:
    """An environment without values: its rules, its revisions without variables, the oldest first, and its custom
    metadata. Times are microseconds since 1970.

    Without the permission `history`, it has only the current revision.
    """

    last_number: int
    created_us: int
    updated_us: int
    max_versions: int
    cas_required: bool
    delete_version_after_seconds: int
    revisions: tuple[Revision, ...]
    custom_metadata: dict[str, str] | None


class Metadata:
    """The metadata of environments. They are addressed by name."""

    def __init__(
        self, storage: Storage, environments: Environments, sealer: Sealer, reads: audit.ReadLog, clock: Clock
    ) -> None:
        self._storage = storage
        self._reads = reads
        self._environments = environments
        self._sealer = sealer
        self._clock = clock

    def names(self, principal: Principal, folder: str) -> list[str]:
        """Return the names below `folder` (empty for all), up to the next slash: `dir/` for a folder.

        Contains only what the caller may list. Raises `NotGranted` if no grant could cover anything there.
        """
        prefix = f"{folder}/" if folder else ""
        if not self.may_list_below(principal, folder):
            raise NotGranted()
        with self._storage.read() as unit:
            rows = unit.environments.below(principal.user_id, prefix)
        self._reads.read(principal, Action.ENVIRONMENT_LIST)
        shown = [row.name for row in rows if allows(principal, Permission.LIST, target_of(row))]
        return sorted({first + slash for first, slash, _ in (name[len(prefix) :].partition("/") for name in shown)})

    def get(self, principal: Principal, name: str) -> EnvironmentMetadata:
        """Return everything except the values. Raises `NotFound`."""
        with self._storage.read() as unit:
            row = self._environments.find(unit, principal, name, Permission.LIST)
            revisions = unit.revisions.facts(row.id)
            if not allows(principal, Permission.HISTORY, target_of(row)):
                revisions = [revision for revision in revisions if revision.id == row.current_revision_id]
            metadata = self._sealer.open_metadata(unit, row)
        self._reads.read(principal, Action.ENVIRONMENT_READ, row.id)
        return EnvironmentMetadata(
            last_number=row.last_number,
            created_us=row.created_us,
            updated_us=row.updated_us,
            max_versions=_shown_versions(row.max_versions, metadata),
            cas_required=row.cas_required,
            delete_version_after_seconds=row.delete_version_after_seconds,
            revisions=tuple(map(facts_of, revisions)),
            custom_metadata=metadata.get("custom_metadata") or None,
        )

    def permissions(self, principal: Principal, name: str) -> frozenset[Permission]:
        """Return what `principal` may do with the environment of this name, whether it exists or not."""
        with self._storage.read() as unit:
            target = target_of(unit.environments.by_name(principal.user_id, name), name)
        return frozenset(permission for permission in Permission if allows(principal, permission, target))

    def set(self, unit: UnitOfWork, principal: Principal, name: str, wishes: Wishes) -> None:
        """Change rules or custom metadata. If the environment does not exist, create it without any version.

        `wishes` has names of `Defaults`, and `custom_metadata`, which is replaced as a whole.
        """
        row = unit.environments.by_name(principal.user_id, name)
        ask(unit, principal, Permission.UPDATE if row else Permission.CREATE, target_of(row, name))
        wishes = self._checked(unit, principal, row, wishes)
        if row is not None:
            self._environments.change(unit, principal, row.id, wishes)
            return
        try:
            made = self.create(unit, principal, name)
        except NameTaken as error:
            raise Stale("environments") from error
        stated = {member: wish for member, wish in sealed_of(wishes).items() if wish}
        told = self._environments.telling(unit, made, **stated) if stated else {}
        rules = rules_of(wishes)
        if told or rules:
            unit.environments.change(made, **rules, **told)
            audit.record(unit, principal, Action.ENVIRONMENT_CHANGE, environment_id=made.id)

    def patch(self, unit: UnitOfWork, principal: Principal, name: str, wishes: Wishes) -> None:
        """Do the same as `set` for an existing environment. None removes a pair of custom metadata. Raises
        `NotFound`.
        """
        row = self._environments.find(unit, principal, name, Permission.UPDATE)
        wishes = wishes.copy()
        if "custom_metadata" in wishes:
            before = self._sealer.open_metadata(unit, row).get("custom_metadata") or {}
            pairs = {**before, **(wishes["custom_metadata"] or {})}
            wishes["custom_metadata"] = {key: value for key, value in pairs.items() if value is not None}
        self._environments.change(unit, principal, row.id, self._checked(unit, principal, row, wishes))

    def erase(self, unit: UnitOfWork, principal: Principal, name: str) -> tuple[str, ...]:
        """Delete an environment for good, with its keys and history. Returns warnings. If it does not exist, nothing
        happens.
        """
        row = unit.environments.by_name(principal.user_id, name)
        ask(unit, principal, Permission.DELETE, target_of(row, name))
        if row is None:
            return ()
        seq = unit.users.next_change(row.owner_id)
        warnings = deletion_warnings(unit, row, for_good=True)
        unit.shredding.environment(row.id, self._clock())
        now, bases = self._clock(), split(row.base_ids)
        erase = Action.ENVIRONMENT_ERASE
        unit.changes.add(row.owner_id, seq, erase, row.id, None, now, old_name=row.name, old_bases=bases)
        audit.record(unit, principal, Action.ENVIRONMENT_ERASE, environment_id=row.id)
        return warnings

    def delete(self, unit: UnitOfWork, principal: Principal, name: str) -> tuple[str, ...]:
        """Delete an environment so that it can be restored. Returns warnings. If it does not exist, nothing happens."""
        row = unit.environments.by_name(principal.user_id, name)
        ask(unit, principal, Permission.DELETE, target_of(row, name))
        return () if row is None else self._environments.delete(unit, principal, row.id)

    def create(self, unit: UnitOfWork, principal: Principal, name: str) -> EnvironmentRow:
        """Create an environment without any version, with the defaults. Raises `NameTaken`, `QuotaExceeded`."""
        defaults = self.defaults_of(unit, principal)
        row = self._environments.create(unit, principal, name, max_versions=defaults.max_versions)
        rules = asdict(defaults)
        if all(getattr(row, column) == rule for column, rule in rules.items()):
            return row
        changed = unit.environments.change(row, **rules)
        audit.record(unit, principal, Action.ENVIRONMENT_CHANGE, environment_id=row.id)
        return changed

    def defaults(self, principal: Principal) -> Defaults:
        """Return the defaults for new environments. Raises `NotGranted` unless the caller may list all environments."""
        require(principal, Permission.LIST, EVERYWHERE)
        with self._storage.read() as unit:
            found, stored = (
                self.defaults_of(unit, principal),
                self._stored_defaults(unit, self._globals(unit, principal)),
            )
        return replace(found, max_versions=_shown_versions(found.max_versions, stored))

    def defaults_of(self, unit: UnitOfWork, principal: Principal) -> Defaults:
        """Return the defaults for new environments. For services, which have checked the permission."""
        return known_members(Defaults, self._stored_defaults(unit, self._globals(unit, principal)))

    def set_defaults(self, unit: UnitOfWork, principal: Principal, wishes: Wishes) -> None:
        """Change the defaults for new environments. Existing environments do not change."""
        ask(unit, principal, Permission.UPDATE, EVERYWHERE)
        unit.users.next_change(principal.user_id)
        row = self._globals(unit, principal)
        # Keep members that a newer release has added.
        before = self._stored_defaults(unit, row) | asdict(self.defaults_of(unit, principal))
        wishes = _checked(wishes, MAX_VERSIONS_DEFAULT, before)
        rules: Document = {**before, **rules_of(wishes), **sealed_of(wishes)}
        # A rule that removes revisions needs the permission to delete, as for a single environment.
        after = "delete_version_after_seconds"
        if rules["max_versions"] < before["max_versions"] or rules[after] != before[after]:
            ask(unit, principal, Permission.DELETE, EVERYWHERE)
        unit.environments.change(row, **self._environments.telling(unit, row, **{_DEFAULTS: rules}))
        audit.record(unit, principal, Action.DEFAULTS_CHANGE, environment_id=row.id)

    def _stored_defaults(self, unit: UnitOfWork, globals_: EnvironmentRow) -> Document:
        return dict(self._sealer.open_metadata(unit, globals_).get(_DEFAULTS, {}))

    def _globals(self, unit: UnitOfWork, principal: Principal) -> EnvironmentRow:
        row = unit.environments.globals(principal.user_id)
        if row is None:
            raise IntegrityError()
        return row

    def may_list_below(self, principal: Principal, folder: str) -> bool:
        """Report whether a grant could cover anything below `folder` (empty for all)."""
        if principal.grants is None or not folder:
            # All grants lie below the root. A token without any `list` must not see even that.
            return principal.grants is None or any(Permission.LIST in grant.permissions for grant in principal.grants)
        return any(
            Permission.LIST in grant.permissions
            and (
                grant.environment_id is not None
                or (grant.path is not None and (path_covers(grant.path, folder) or path_covers(folder, grant.path)))
            )
            for grant in principal.grants
        )

    def _checked(self, unit: UnitOfWork, principal: Principal, row: EnvironmentRow | None, wishes: Wishes) -> Wishes:
        if "max_versions" not in wishes:
            return _checked(wishes, MAX_VERSIONS_DEFAULT, {})
        before = self._sealer.open_metadata(unit, row) if row is not None else {}
        return _checked(wishes, self.defaults_of(unit, principal).max_versions, before)


def _checked(wishes: Wishes, default_versions: int, before: Document) -> Wishes:
    found = wishes.copy()
    if found.get("max_versions") == 0:
        found["max_versions"] = found["default_max_versions"] = default_versions
    elif "max_versions" in found and before.get(_ASKED_DEFAULT) is not None:
        found["default_max_versions"] = None
    if "max_versions" in found:
        checked_versions(found["max_versions"])
    if "delete_version_after_seconds" in found:
        checked_seconds(found["delete_version_after_seconds"])
    if "custom_metadata" in found:
        found["custom_metadata"] = _checked_custom(found["custom_metadata"] or {})
    return found


def _shown_versions(number: int, stored: Document) -> int:
    return 0 if stored.get(_ASKED_DEFAULT) == number else number


def _checked_custom(pairs: Mapping[str, object]) -> dict[str, str]:
    if len(pairs) > CUSTOM_PAIRS_MOST:
        raise InvalidInput(f"There can be at most {CUSTOM_PAIRS_MOST} pairs.", path="custom_metadata")
    found: dict[str, str] = {}
    for key, value in pairs.items():
        if not isinstance(value, str):
            raise InvalidInput("This must be an object of strings.", path="custom_metadata")
        if not 1 <= len(key.encode()) <= CUSTOM_KEY_MOST_BYTES or len(value.encode()) > CUSTOM_VALUE_MOST_BYTES:
            raise InvalidInput(
                f"A key must have 1 to {CUSTOM_KEY_MOST_BYTES} bytes, and its value at most {CUSTOM_VALUE_MOST_BYTES}.",
                path="custom_metadata",
            )
        found[key] = value
    return found
