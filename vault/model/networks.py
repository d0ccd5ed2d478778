"""Network addresses, and the networks that contain them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_address(text: str) -> Address | None:
    """Return the address, or None if the text is not an address.

    An IPv4 address that is written as IPv6 (`::ffff:192.0.2.1`) is an IPv4 address: a socket for both families reports
    IPv4 clients in that form.
    """
    found = _as_written(text)
    return None if found is None else _as_ipv4(found)


def is_within(text: str, networks: Iterable[Network]) -> bool:
    """Report whether the text is an address in one of these networks. A network may be written in either form too."""
    as_written = _as_written(text)
    if as_written is None:
        return False
    address = _as_ipv4(as_written)
    return any(address in network or as_written in network for network in networks)


def _as_written(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _as_ipv4(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address contains, or else the address itself."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
