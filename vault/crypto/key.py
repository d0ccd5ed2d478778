"""`Key`: 256 bits with an id."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from vault.crypto.envelope import uuid_bytes
from vault.errors import BlobError

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

KEY_BYTES = 32

_BLOCK_BYTES = 64
_INNER = bytes(0x36 ^ byte for byte in range(256))
_OUTER = bytes(0x5C ^ byte for byte in range(256))


@dataclass(frozen=True, slots=True)
class Key:
    """256 bits and the UUID of this key version. Its `repr` hides the bits, and it cannot be pickled."""

    id: str
    secret: bytes = field(repr=False)
    _pads: tuple[Hash, Hash] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def pads(self) -> tuple[Hash, Hash]:
        """HMAC's state after the key and before any message, computed at first use (see `prf.py`)."""
        if self._pads is None:
            object.__setattr__(self, "_pads", pads(self.secret))
        return self._pads or pads(self.secret)

    def __post_init__(self) -> None:
        uuid_bytes(self.id)
        if len(self.secret) != KEY_BYTES:
            raise BlobError()

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key cannot be pickled or copied to another process.")


def new_key(id: str | None = None) -> Key:
    """Return a random key, with a random id unless `id` is given."""
    return Key(id or str(uuid.uuid4()), secrets.token_bytes(KEY_BYTES))


def pads(secret: bytes) -> tuple[Hash, Hash]:
    """Return SHA-256 after one block, the key XOR ipad or the key XOR opad. Keys have at most 64 bytes."""
    block = secret.ljust(_BLOCK_BYTES, b"\x00")
    if len(block) != _BLOCK_BYTES:
        raise ValueError("This key is longer than 64 bytes. RFC 2104 would hash it first, which is not implemented.")
    return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))
