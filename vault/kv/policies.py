"""Grants written as policies. To Vault clients, a token's rights are a list of policy names.

    path:team/a:list,read        environment:<id>:read        globals:read        path:*:list,read

The same texts are accepted when a token is created.
"""

from __future__ import annotations

from collections.abc import Iterable

from vault.errors import InvalidInput
from vault.kv.bodies import texts
from vault.model.grant import Grant, Permission
from vault.model.principal import Principal
from vault.services.tokens.request import GRANTS_MAX, GrantRequest

DEFAULT = "default"
"""Every token of Vault has this policy. Here it grants nothing."""

_POLICY_CHARACTERS_MOST = 2048

_ALL = frozenset(Permission)
EVERYTHING = (Grant(_ALL, path="*"), Grant(_ALL, globals=True))
"""The rights of a session, as grants."""


def policies_of(grants: Iterable[Grant]) -> list[str]:
    """Return one policy for each grant."""
    return [_policy(grant) for grant in grants]


def grants_of(policies: object, principal: Principal) -> tuple[GrantRequest, ...]:
    """Return the grants in some policies, or all grants that `principal` may delegate if none is given, as in Vault.
    Raises `InvalidInput`.
    """
    if isinstance(policies, str):
        policies = [policies]
    # "default" may come on top of the largest number of grants that a token can have.
    given = texts(
        [] if policies is None else policies,
        "policies",
        items_most=GRANTS_MAX + 1,
        characters_most=_POLICY_CHARACTERS_MOST,
    )
    named = [policy for policy in given if policy]
    if not named:
        held = EVERYTHING if principal.grants is None else principal.grants
        own = [grant for grant in held if Permission.DELEGATE in grant.permissions]
        return tuple(GrantRequest(g.permissions, None, g.environment_id, g.path, g.globals) for g in own)
    found = tuple(_grant(policy) for policy in named if policy != DEFAULT)
    if not found:
        # A caller that asks for this policy alone asks for nothing, so it must not get the maker's grants.
        raise InvalidInput(f'The policy "{DEFAULT}" allows nothing here. Name what the token may do.', path="policies")
    return found


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
        "Named policies are not supported. Write what the policy allows, as path:team/a:list,read or globals:read.",
        path="policies",
    )
