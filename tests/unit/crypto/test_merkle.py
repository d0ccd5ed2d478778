"""The tree of RFC 6962: known roots, and a right edge that is as good as all leaves."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto.merkle import EMPTY_ROOT, Frontier, leaf_hash
from vault.errors import IntegrityError

# The inputs and roots of Certificate Transparency's own tests (merkletree/merkle_tree_test.cc in
# google/certificate-transparency), which RFC 6962 comes from.
_LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_the_known_roots() -> None:
    frontier = Frontier()
    for leaf, root in zip(_LEAVES, _ROOTS, strict=True):
        frontier.add(leaf_hash(leaf))
        assert frontier.root().hex() == root


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert Frontier().root() == EMPTY_ROOT == hashlib.sha256(b"").digest()


def _root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, section 2.1, as it stands there."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _root(leaves[:split]) + _root(leaves[split:])).digest()


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_an_edge_that_was_stored_goes_on_as_the_definition_has_it(leaves: list[bytes]) -> None:
    frontier = Frontier()
    for count, leaf in enumerate(leaves, start=1):
        frontier.add(leaf_hash(leaf))
        frontier = Frontier.unpack(count, frontier.pack())
    assert frontier.root() == _root(leaves)


@pytest.mark.parametrize(("size", "edge"), [(1, b""), (3, bytes(32)), (2, bytes(31)), (0, bytes(32))])
def test_an_edge_that_does_not_fit_its_size_is_refused(size: int, edge: bytes) -> None:
    with pytest.raises(IntegrityError):
        Frontier.unpack(size, edge)
