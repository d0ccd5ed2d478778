"""The forms under which names and addresses are looked up and counted."""

from __future__ import annotations

import ipaddress
import unicodedata

from vault.model.networks import parse_address


def fold_username(name: str) -> str:
    """Return the one form of a name: variants in case, in outer space and in NFKC are the same name."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def fold_address(address: str) -> str:
    """Return an IPv4 address unchanged, or an IPv6 address's /64 network, because such a network has one owner."""
    parsed = parse_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address if parsed is None else str(parsed)
