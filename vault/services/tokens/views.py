"""Tokens as they are shown: with their grants, and with the names of the environments that the caller may know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vault.model.grant import Grant, Permission
from vault.model.policy import allows
from vault.model.principal import Principal
from vault.services.environments.permissions import target_of
from vault.services.tokens.holders import grant_of
from vault.storage import StoredToken, UnitOfWork


@dataclass(frozen=True, slots=True)
class NamedGrant:
    """A grant with the name of its environment, or None if that is deleted or the caller may not know it."""

    permissions: frozenset[Permission]
    environment_id: str | None
    environment_name: str | None
    path: str | None
    globals: bool


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token as it is shown, with its secret if it was just made. Times are microseconds since 1970."""

    id: str
    accessor: str
    parent_id: str | None
    name: str
    created_us: int
    ttl_seconds: int | None
    max_ttl_seconds: int | None
    expires_us: int | None
    renewable: bool
    uses_left: int | None
    may_rotate: bool
    networks: tuple[str, ...]
    metadata: Mapping[str, str]
    last_used_us: int | None
    grants: tuple[Grant, ...]
    names: Mapping[str, str]
    """The names of environments in the grants, by id."""
    secret: str | None = field(default=None, repr=False)

    @property
    def named_grants(self) -> tuple[NamedGrant, ...]:
        """The grants, for people and programs."""
        return tuple(
            NamedGrant(
                grant.permissions,
                grant.environment_id,
                self.names.get(grant.environment_id or ""),
                grant.path,
                grant.globals,
            )
            for grant in self.grants
        )


def view_of(unit: UnitOfWork, principal: Principal, row: StoredToken) -> TokenView:
    """Return one token as `principal` may see it."""
    return views_of(unit, principal, [row])[0]


def views_of(unit: UnitOfWork, principal: Principal, rows: Sequence[StoredToken]) -> list[TokenView]:
    """Return `view_of` of many tokens, with as many statements as for one."""
    grants: dict[str, list[Grant]] = {row.id: [] for row in rows}
    for stored in unit.grants.of_tokens(list(grants)):
        grants[stored.token_id].append(grant_of(stored))
    names = _names(unit, principal, (grant.environment_id for each in grants.values() for grant in each))
    return [_view(row, tuple(grants[row.id]), names) for row in rows]


def _names(unit: UnitOfWork, principal: Principal, ids: Iterable[str | None]) -> dict[str, str]:
    """Return the names of environments that the caller may list or read. An export tells a reader the name, too."""
    found = unit.environments.named(filter(None, ids)).values()
    return {
        row.id: row.name
        for row in found
        if row.owner_id == principal.user_id
        and row.deleted_us is None
        and any(allows(principal, each, target_of(row)) for each in (Permission.LIST, Permission.READ))
    }


def _view(row: StoredToken, grants: tuple[Grant, ...], names: Mapping[str, str]) -> TokenView:
    return TokenView(
        id=row.id,
        accessor=row.accessor,
        parent_id=row.parent_id,
        name=row.name,
        created_us=row.created_us,
        ttl_seconds=row.ttl_seconds,
        max_ttl_seconds=row.max_ttl_seconds,
        expires_us=row.expires_us,
        renewable=row.renewable,
        uses_left=row.uses_left,
        may_rotate=row.may_rotate,
        networks=row.network_list,
        metadata=row.metadata_map,
        last_used_us=row.last_used_us,
        grants=grants,
        names=names,
    )
