"""Permission checks. Each verb makes them before its work: on its first line, or when it knows the environment."""

from __future__ import annotations

from collections.abc import Iterable

from vault.errors import NotGranted
from vault.model.grant import Permission, Target
from vault.model.principal import Principal


def allows(principal: Principal, permission: Permission, target: Target) -> bool:
    """Report whether `principal` has `permission` on `target`.

    This does not check ownership: storage searches only the principal's own rows.
    """
    if principal.grants is None:
        return True
    return any(permission in grant.permissions and grant.covers(target) for grant in principal.grants)


def allows_anywhere(principal: Principal, permissions: Iterable[Permission]) -> bool:
    """Report whether `principal` has one of `permissions` on any target."""
    if principal.grants is None:
        return True
    return any(permission in grant.permissions for grant in principal.grants for permission in permissions)


def require(principal: Principal, permission: Permission, target: Target) -> None:
    """Raise `NotGranted` unless `principal` has `permission` on `target`."""
    if not allows(principal, permission, target):
        raise NotGranted()
