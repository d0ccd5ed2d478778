"""Operators must call from named networks, whatever their credential is."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

from vault.errors import Forbidden

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def require_named_network(environ: Mapping[str, object], address: str, networks: Iterable[Network]) -> None:
    """Raise `Forbidden` if the address is in no named network, or comes from a proxy that is not trusted."""
    if environ.get("strongroom.forwarded_by_stranger"):
        raise Forbidden("This call came through a proxy that is not among STRONGROOM_TRUSTED_PROXIES.")
    try:
        found = ipaddress.ip_address(address)
    except ValueError as error:
        raise Forbidden("Operators can only call from named networks.") from error
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    if not any((mapped or found) in network for network in networks):
        raise Forbidden("Operators can only call from the networks in STRONGROOM_OPERATOR_NETWORKS.")
