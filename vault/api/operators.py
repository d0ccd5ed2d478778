"""Operators' calls, `/operator/…`: from named networks only, whatever the credential. The services ask for the rest."""

from __future__ import annotations

import ipaddress

from flask import Flask, request

from vault.api.calls import PREFIX, address, services
from vault.errors import Forbidden

OPERATORS = f"{PREFIX}/operator/"


def guard(app: Flask) -> None:
    """Refuse operators' calls from elsewhere, and those whose origin a stranger claims to know."""

    @app.before_request
    def require_named_network() -> None:
        if request.path.startswith(OPERATORS):
            _check_origin()


def _check_origin() -> None:
    if request.environ.get("strongroom.forwarded_by_stranger"):
        raise Forbidden("This call came through a proxy that is not among STRONGROOM_TRUSTED_PROXIES.")
    try:
        found = ipaddress.ip_address(address())
    except ValueError as error:
        raise Forbidden("Operators' calls are taken from named networks only.") from error
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    if not any((mapped or found) in network for network in services().settings.operator_networks):
        raise Forbidden("Operators' calls are taken from the networks of STRONGROOM_OPERATOR_NETWORKS only.")
