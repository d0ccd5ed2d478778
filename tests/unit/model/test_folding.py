"""The forms under which names and addresses are looked up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.model.folding import fold_address, fold_username


@pytest.mark.parametrize("name", ["ada", "ADA", " ada", "ada\t", "\u00a0ada\u3000", "\uff21\uff24\uff21"])
def test_variants_of_a_name_are_one_name(name: str) -> None:
    assert fold_username(name) == "ada"


def test_sharp_s_and_its_capital_are_one() -> None:
    assert fold_username("stra\u00dfe") == fold_username("STRASSE") == fold_username("Stra\u1e9ee")


@given(st.text(max_size=40))
def test_case_never_makes_another_name(name: str) -> None:
    assert fold_username(f" {name} ") == fold_username(name)


@pytest.mark.parametrize(
    ("address", "folded"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("not an address", "not an address"),
    ],
)
def test_whoever_has_one_address_has_its_neighbours(address: str, folded: str) -> None:
    assert fold_address(address) == folded
