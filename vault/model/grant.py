"""Permissions and grants: what a token may do, and with which environments."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vault.errors import InvalidInput
from vault.model.environment import EnvironmentKind, check_environment_name, looks_like_id


class Permission(StrEnum):
    """What a grant allows. `read`: the current revision; `history`: older ones and diffs; `update`: write,
    rollback, undelete, metadata; `delete`: delete and destroy; `delegate`: make narrower tokens."""

    LIST = "list"
    READ = "read"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    HISTORY = "history"
    DELEGATE = "delegate"


@dataclass(frozen=True, slots=True)
class Target:
    """The thing that a permission is checked for: an existing environment (`id` is set), a name, or the globals."""

    kind: EnvironmentKind
    name: str
    id: str | None = None


GLOBALS_TARGET = Target(EnvironmentKind.GLOBALS, "globals")


@dataclass(frozen=True, slots=True)
class Grant:
    """Permissions on one thing: exactly one of `environment_id`, `path` and `globals` is set.

    `path` covers itself and everything below it, by whole segments: `team/a` covers `team/a` and `team/a/x`, but not
    `team/ab`. The path `*` covers every environment, but never the globals.
    """

    permissions: frozenset[Permission]
    environment_id: str | None = None
    path: str | None = None
    globals: bool = False

    def covers(self, target: Target) -> bool:
        """Report whether this grant applies to `target`."""
        if target.kind is EnvironmentKind.GLOBALS:
            return self.globals
        if self.environment_id is not None:
            return self.environment_id == target.id
        return self.path is not None and path_covers(self.path, target.name)

    def is_within(self, wider: Grant) -> bool:
        """Report whether `wider` allows everything that this grant allows."""
        if not self.permissions <= wider.permissions:
            return False
        if self.globals:
            return wider.globals
        if self.environment_id is not None:
            return self.environment_id == wider.environment_id or wider.path == "*"
        return wider.path is not None and self.path is not None and path_covers(wider.path, self.path)


def path_covers(prefix: str, path: str) -> bool:
    """Report whether `path` is `prefix` or lies below it, by whole segments."""
    return prefix == "*" or path == prefix or path.startswith(prefix + "/")


def make_grant(
    permissions: frozenset[Permission],
    *,
    environment_id: str | None = None,
    path: str | None = None,
    globals: bool = False,  # The API's word for it.
    where: str = "grants",
) -> Grant:
    """Return a checked grant, or raise `InvalidInput` with the path `where`."""
    if sum((environment_id is not None, path is not None, globals)) != 1:
        raise InvalidInput("A grant must have exactly one of environment_id, path and globals.", path=where)
    if not permissions:
        raise InvalidInput("A grant must have at least one permission.", path=f"{where}.permissions")
    if environment_id is not None and not looks_like_id(environment_id):
        raise InvalidInput("An environment_id must be a UUID.", path=f"{where}.environment_id")
    if path is not None and path != "*":
        path = check_environment_name(path, path=f"{where}.path")
    return Grant(permissions, environment_id and environment_id.lower(), path, globals)
