"""Operators must call from named networks, whatever their credential is."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from vault.errors import Forbidden
from vault.model.environ import FORWARDED_BY_PROXY, FORWARDED_BY_STRANGER
from vault.model.networks import Network, is_within

_THIS_MACHINE = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


def require_named_network(environ: Mapping[str, object], address: str, networks: Sequence[Network]) -> None:
    """Raise `Forbidden` if the address is in no named network, or comes from a proxy that is not trusted.

    If no network is named, the call must come from this machine, and directly. A proxy that passes a client's
    `X-Forwarded-For` on would let any client claim to be on this machine.
    """
    if environ.get(FORWARDED_BY_STRANGER):
        raise Forbidden("This call came through a proxy that is not among STRONGROOM_TRUSTED_PROXIES.")
    if not networks and environ.get(FORWARDED_BY_PROXY):
        raise Forbidden(
            "This call came through a proxy. Through a proxy, operators can only call from networks that are named in "
            "STRONGROOM_OPERATOR_NETWORKS."
        )
    if not is_within(address, networks or _THIS_MACHINE):
        raise Forbidden("Operators can only call from the networks in STRONGROOM_OPERATOR_NETWORKS.")
