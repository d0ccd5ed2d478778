"""The forms under which names and addresses are looked up and counted."""

from __future__ import annotations

import ipaddress
import unicodedata


def fold_username(name: str) -> str:
    """The one form of a name: variants in case, in outer space and in NFKC are the same name."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def fold_address(address: str) -> str:
    """An IPv4 address as it is, and the /64 network of an IPv6 address: one network has one owner."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
