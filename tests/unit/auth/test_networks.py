"""From where operators may call."""

from __future__ import annotations

import ipaddress

import pytest

from vault.auth import require_named_network
from vault.errors import Forbidden
from vault.model.environ import FORWARDED_BY_PROXY, FORWARDED_BY_STRANGER
from vault.model.networks import Network

DIRECT: dict[str, object] = {FORWARDED_BY_PROXY: False, FORWARDED_BY_STRANGER: False}
PROXIED: dict[str, object] = {FORWARDED_BY_PROXY: True, FORWARDED_BY_STRANGER: False}
LOOPBACK = ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"]
ELSEWHERE = ["10.1.0.5", "192.0.2.1", "0.0.0.0", "::", "fe80::1", "unknown", ""]


def networks(*texts: str) -> tuple[Network, ...]:
    return tuple(map(ipaddress.ip_network, texts))


@pytest.mark.parametrize("address", LOOPBACK)
def test_without_named_networks_operators_call_from_this_machine(address: str) -> None:
    require_named_network(DIRECT, address, ())


@pytest.mark.parametrize("address", ELSEWHERE)
@pytest.mark.parametrize("environ", [DIRECT, PROXIED])
def test_without_named_networks_nobody_calls_from_elsewhere(environ: dict[str, object], address: str) -> None:
    with pytest.raises(Forbidden):
        require_named_network(environ, address, ())


@pytest.mark.parametrize("address", [*LOOPBACK, *ELSEWHERE])
def test_without_named_networks_no_proxy_can_say_that_its_client_is_on_this_machine(address: str) -> None:
    with pytest.raises(Forbidden, match="STRONGROOM_OPERATOR_NETWORKS"):
        require_named_network(PROXIED, address, ())


def test_a_network_that_the_operator_has_named_counts_behind_a_proxy_too() -> None:
    for environ in (DIRECT, PROXIED):
        require_named_network(environ, "10.1.0.5", networks("10.1.0.0/24"))
        require_named_network(environ, "127.0.0.1", networks("10.1.0.0/24", "127.0.0.0/8"))
        for address in ("10.2.0.5", "::1", "unknown"):
            with pytest.raises(Forbidden):
                require_named_network(environ, address, networks("10.1.0.0/24", "127.0.0.0/8"))


def test_a_proxy_that_nobody_named_lets_no_operator_in() -> None:
    with pytest.raises(Forbidden, match="STRONGROOM_TRUSTED_PROXIES"):
        require_named_network({FORWARDED_BY_STRANGER: True}, "127.0.0.1", networks("0.0.0.0/0"))
