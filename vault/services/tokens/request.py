"""`TokenRequest`: the wish for a new token, and the rules for it. The faces only parse what they receive."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vault.errors import InvalidInput
from vault.model.clock import DAY_SECONDS
from vault.model.grant import Permission
from vault.model.names import check_label

DEFAULT_TTL_SECONDS = 90 * DAY_SECONDS
"""By default, a forgotten token expires by itself. None means that a token never expires."""

TTL_MOST_SECONDS = 10 * 366 * DAY_SECONDS
"""Ten years. A token that must live longer has to be one that never expires."""

NAME_MOST = 256
GRANTS_MAX = 64
NETWORKS_MOST, NETWORK_MOST = 64, 64
METADATA_MOST, METADATA_NAME_MOST, METADATA_VALUE_MOST = 64, 128, 512
"""The limit is small because a token's row is read for each of its requests."""
USES_MOST = 1_000_000_000


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """A requested grant: `permissions` on exactly one of the other fields. `environment` is a name or an id."""

    permissions: frozenset[Permission]
    environment: str | None = None
    environment_id: str | None = None
    path: str | None = None
    globals: bool = False


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request for a new token. A grant may name an environment (`environment`) instead of its id."""

    name: str
    grants: Sequence[GrantRequest]
    ttl_seconds: int | None = DEFAULT_TTL_SECONDS
    max_ttl_seconds: int | None = None
    renewable: bool = False
    uses: int | None = None
    networks: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    may_rotate: bool = False
    """Whether the token may give itself a new secret. A thief of its secret could lock its service out with that."""

    def check(self) -> None:
        """Raise `InvalidInput` if a token like this is not allowed. Its path starts with the name of a field of this
        class.

        What each grant names is checked later, when it is looked up.
        """
        # Check the number first: each grant may cost a database query while other writers wait.
        if not 1 <= len(self.grants) <= GRANTS_MAX:
            raise InvalidInput(f"A token must have 1 to {GRANTS_MAX} grants.", path="grants")
        check_label(self.name, NAME_MOST)
        _check_life(self.ttl_seconds, "ttl_seconds")
        _check_life(self.max_ttl_seconds, "max_ttl_seconds")
        if self.uses is not None and not 1 <= self.uses <= USES_MOST:
            raise InvalidInput(f"A token's uses must be 1 to {USES_MOST:,}, or unlimited.", path="uses")
        _check_networks(self.networks)
        _check_metadata(self.metadata)


def _check_life(seconds: int | None, path: str) -> None:
    if seconds is not None and not 1 <= seconds <= TTL_MOST_SECONDS:
        raise InvalidInput("A token's lifetime must be one second to ten years.", path=path)


def _check_networks(networks: Sequence[str]) -> None:
    if len(networks) > NETWORKS_MOST:
        raise InvalidInput(f"A token can have at most {NETWORKS_MOST} networks.", path="networks")
    for position, network in enumerate(networks):
        if not _is_network(network):
            told = f"{network[:NETWORK_MOST]} is not a network. Write one as 10.0.0.0/8."
            raise InvalidInput(told, path=f"networks.{position}")


def _is_network(text: str) -> bool:
    if len(text) > NETWORK_MOST:
        return False
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _check_metadata(metadata: Mapping[str, str]) -> None:
    fits = len(metadata) <= METADATA_MOST and all(
        1 <= len(name) <= METADATA_NAME_MOST and len(value) <= METADATA_VALUE_MOST for name, value in metadata.items()
    )
    if not fits:
        raise InvalidInput(
            f"Metadata can have at most {METADATA_MOST} texts of at most {METADATA_VALUE_MOST} characters each, with "
            f"names of 1 to {METADATA_NAME_MOST} characters.",
            path="metadata",
        )
