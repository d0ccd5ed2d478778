"""The permissions that calls on environments ask for."""

from __future__ import annotations

from vault.model.environment import GLOBALS, EnvironmentKind, EnvironmentRef, canonical
from vault.model.grant import GLOBALS_TARGET, Permission, Target
from vault.model.policy import require
from vault.model.principal import Principal
from vault.services.environments.wishes import Wishes
from vault.storage import Asked, EnvironmentRow, UnitOfWork


def ask(unit: UnitOfWork, principal: Principal, permission: Permission, target: Target) -> None:
    """Require a permission and note it in the unit of work. A stored answer is only repeated if all of them are still
    granted.
    """
    require(principal, permission, target)
    unit.asked.append(Asked(permission, target))


def ask_rules(unit: UnitOfWork, principal: Principal, row: EnvironmentRow, wishes: Wishes) -> None:
    """Require the permission to delete for a rule that removes revisions."""
    fewer = wishes.get("max_versions", row.max_versions) < row.max_versions
    after = wishes.get("delete_version_after_seconds", row.delete_version_after_seconds)
    if fewer or after != row.delete_version_after_seconds:
        ask(unit, principal, Permission.DELETE, target_of(row))


def ask_to_move(unit: UnitOfWork, principal: Principal, row: EnvironmentRow) -> None:
    """Require what a rename needs: to read, to rewrite and to delete. Grants can depend on the name, so a rename may
    give others access.
    """
    for permission in (Permission.READ, Permission.HISTORY, Permission.DELETE):
        ask(unit, principal, permission, target_of(row))


def target_of(row: EnvironmentRow | None, reference: EnvironmentRef = GLOBALS) -> Target:
    """Return the target of a permission check: the row or, without a row, the requested name."""
    if row is None:
        return GLOBALS_TARGET if reference is GLOBALS else Target(EnvironmentKind.ENVIRONMENT, canonical(reference))
    return Target(EnvironmentKind(row.kind), row.name, row.id)
