"""The Merkle tree of RFC 6962, section 2.1. Leaves are added at the right edge, and the root hash covers all leaves.

    hash of a leaf = SHA-256(0x00 ‖ leaf)
    hash of a node = SHA-256(0x01 ‖ left ‖ right)

Only the right edge is kept (`Frontier`): the roots of the perfect subtrees that contain the leaves so far, the
widest first. That is enough to add leaves and to compute the root.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from vault.errors import IntegrityError

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256().digest()


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of one leaf."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node with these two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree, kept as its right edge."""

    __slots__ = ("_edge", "size")

    def __init__(self, size: int = 0, edge: Iterable[bytes] = ()) -> None:
        """Make a tree of `size` leaves with these roots of perfect subtrees. Raises `IntegrityError`."""
        self.size = size
        self._edge = list(edge)
        if len(self._edge) != size.bit_count() or any(len(root) != HASH_BYTES for root in self._edge):
            raise IntegrityError()

    @classmethod
    def unpack(cls, size: int, packed: bytes) -> Frontier:
        """Undo `pack`. Raises `IntegrityError`."""
        return cls(size, (packed[start : start + HASH_BYTES] for start in range(0, len(packed), HASH_BYTES)))

    def pack(self) -> bytes:
        """Return the roots of the edge as one byte string."""
        return b"".join(self._edge)

    def add(self, hashed_leaf: bytes) -> None:
        """Add one leaf, given its hash."""
        size = self.size
        edge, sha256 = self._edge, hashlib.sha256
        # Each 1 bit at the end of the size is a perfect subtree. It joins the new subtree of the same width.
        while size & 1:
            hashed_leaf = sha256(b"\x01" + edge.pop() + hashed_leaf).digest()
            size >>= 1
        edge.append(hashed_leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the hash of the whole tree."""
        if not self._edge:
            return EMPTY_ROOT
        root = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            root = node_hash(left, root)
        return root
