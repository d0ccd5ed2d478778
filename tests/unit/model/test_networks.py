"""Which addresses are the same, and which networks contain them."""

from __future__ import annotations

import ipaddress

import pytest

from vault.model.networks import as_ipv4, is_within, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:C000:201", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
    ],
)
def test_an_address_has_one_form(text: str, address: str) -> None:
    assert str(parse_address(text)) == address


@pytest.mark.parametrize("text", ["", "localhost", "192.0.2", "192.0.2.1:80", "[::1]"])
def test_other_text_is_no_address_and_in_no_network(text: str) -> None:
    assert parse_address(text) is None
    assert not is_within(text, [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")])


@pytest.mark.parametrize("network", ["10.0.0.0/8", "::ffff:10.0.0.0/104", "::FFFF:a00:0/104"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("11.1.2.3", False),
        ("::ffff:11.1.2.3", False),
        ("::a01:203", False),
        ("2001:db8::1", False),
    ],
)
def test_a_network_contains_its_addresses_in_both_forms(network: str, text: str, expected: bool) -> None:
    assert is_within(text, [ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network(network)]) is expected


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::/0", "::/0"),
        ("::fffe:0:0/95", "::fffe:0:0/95"),
        ("fd00::/8", "fd00::/8"),
    ],
)
def test_a_network_has_one_form(text: str, network: str) -> None:
    assert str(as_ipv4(ipaddress.ip_network(text))) == network


def test_an_address_has_the_same_networks_in_both_forms() -> None:
    for network in map(ipaddress.ip_network, ("::/0", "0.0.0.0/0", "::ffff:0:0/96", "::fffe:0:0/95")):
        assert is_within("10.1.2.3", [network]) == is_within("::ffff:10.1.2.3", [network])
