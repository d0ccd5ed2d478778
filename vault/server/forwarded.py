"""Where a request comes from: the peer itself, or the client that a named proxy states in `X-Forwarded-For`."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from vault.model.networks import Network, is_within, parse_address

UNKNOWN_CLIENT = "unknown"
"""The address of a client whom a named proxy does not state, or not as an address. It is in no network: were it the
proxy's own address, a client could get what only the proxy's network may.
"""

_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]+)\](:\d{1,5})?|(?P<v4>[0-9.]+):\d{1,5}", re.ASCII)


@functools.lru_cache(maxsize=4096)
def is_proxy(address: str, networks: tuple[Network, ...]) -> bool:
    """Report whether `address` belongs to a proxy in the settings."""
    return is_within(address, networks)


def client_address(headers: Mapping[bytes, bytes], networks: tuple[Network, ...]) -> str:
    """Return the address of the client of a named proxy, or `UNKNOWN_CLIENT`.

    It reads from the right, because each proxy appends the address that it saw, and ignores everything left of the
    first address that is not a named proxy's.
    """
    found = UNKNOWN_CLIENT
    for part in reversed(headers.get(b"x-forwarded-for", b"").split(b",")):
        address = _stated(part.strip().decode("latin-1"))
        if address is None:
            return UNKNOWN_CLIENT
        found = address
        if not is_proxy(address, networks):
            break
    return found


def _stated(text: str) -> str | None:
    """Return the address in `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:4711`."""
    with_port = _WITH_PORT.fullmatch(text)
    if with_port is None:
        address = parse_address(text)
    else:
        address = parse_address(with_port["v6"] or with_port["v4"])
        # Brackets are for IPv6 alone.
        if with_port["v6"] and ":" not in with_port["v6"]:
            return None
    return None if address is None else str(address)
