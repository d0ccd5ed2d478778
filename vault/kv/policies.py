"""Grants as policies: Vault clients know what a token may do as a list of names.

    path:team/a:list,read        environment:<id>:read        globals:read        path:*:list,read

The same texts are taken back when a token is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vault.errors import InvalidInput
from vault.kv.calls import texts
from vault.model.grant import Grant, Permission
from vault.model.principal import Principal
from vault.services.tokens.request import GRANTS_MAX, GrantRequest

DEFAULT = "default"
"""What every token of Vault's has; it stands for nothing here."""

_POLICY_CHARACTERS_MOST = 2048

_ALL = frozenset(Permission)
EVERYTHING = (Grant(_ALL, path="*"), Grant(_ALL, globals=True))
"""What a session may do, as grants."""


def policies_of(grants: Iterable[Grant]) -> list[str]:
    """A policy for each grant."""
    return [_policy(grant) for grant in grants]


def grants_of(policies: Any, principal: Principal) -> tuple[GrantRequest, ...]:
    """The grants that policies ask for; without any, all that `principal` can give on. Raises `InvalidInput`."""
    if policies is None:
        held = EVERYTHING if principal.grants is None else principal.grants
        own = [grant for grant in held if Permission.DELEGATE in grant.permissions]
        return tuple(GrantRequest(g.permissions, None, g.environment_id, g.path, g.globals) for g in own)
    if isinstance(policies, str):
        policies = [policies]
    # Vault's "default" may come in addition to the most grants that a token can have.
    given = texts(policies, "policies", items_most=GRANTS_MAX + 1, characters_most=_POLICY_CHARACTERS_MOST)
    return tuple(_grant(policy) for policy in given if policy != DEFAULT)


def _policy(grant: Grant) -> str:
    permissions = ",".join(sorted(grant.permissions))
    if grant.globals:
        return f"globals:{permissions}"
    if grant.environment_id is not None:
        return f"environment:{grant.environment_id}:{permissions}"
    return f"path:{grant.path}:{permissions}"


def _grant(policy: str) -> GrantRequest:
    where, _, given = policy.rpartition(":")
    kind, _, scope = where.partition(":")
    try:
        permissions = frozenset(Permission(part) for part in given.split(","))
    except ValueError:
        permissions = frozenset()
    if permissions and where == "globals":
        return GrantRequest(permissions, globals=True)
    if permissions and kind == "environment" and scope:
        return GrantRequest(permissions, environment_id=scope)
    if permissions and kind == "path" and scope:
        return GrantRequest(permissions, path=scope)
    raise InvalidInput(
        "There are no named policies here: a policy says itself what it allows, as path:team/a:list,read or "
        "globals:read.",
        path="policies",
    )
