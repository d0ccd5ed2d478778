"""Operators must call from named networks, whatever their credential is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vault.errors import Forbidden
from vault.model.environ import FORWARDED_BY_STRANGER
from vault.model.networks import Network, is_within


def require_named_network(environ: Mapping[str, object], address: str, networks: Iterable[Network]) -> None:
    """Raise `Forbidden` if the address is in no named network, or comes from a proxy that is not trusted."""
    if environ.get(FORWARDED_BY_STRANGER):
        raise Forbidden("This call came through a proxy that is not among STRONGROOM_TRUSTED_PROXIES.")
    if not is_within(address, networks):
        raise Forbidden("Operators can only call from the networks in STRONGROOM_OPERATOR_NETWORKS.")
