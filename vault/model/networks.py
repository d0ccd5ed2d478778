"""Network addresses, and the networks that contain them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED_BITS = 96
"""The length of `::ffff:0:0/96`, the network of all IPv4 addresses that are written as IPv6."""


def parse_address(text: str) -> Address | None:
    """Return the address, or None if the text is not an address.

    An IPv4 address that is written as IPv6 (`::ffff:192.0.2.1`) is an IPv4 address: a socket for both families reports
    IPv4 clients in that form.
    """
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def as_ipv4(network: Network) -> Network:
    """Return the IPv4 network for one that is written as IPv6 (`::ffff:192.0.2.0/120`), and any other as it is."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))


def is_within(text: str, networks: Iterable[Network]) -> bool:
    """Report whether the text is an address in one of these networks. Both may be written in either form."""
    address = parse_address(text)
    return address is not None and any(address in as_ipv4(network) for network in networks)
