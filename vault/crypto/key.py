"""`Key`: 256 bits under a name."""

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
    """256 bits and the UUID of this exact version. Its `repr` hides the bits, and it does not pickle."""

    id: str
    secret: bytes = field(repr=False)
    _pads: tuple[Hash, Hash] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def pads(self) -> tuple[Hash, Hash]:
        """What HMAC makes of this key before it has seen a message: made once, at the first use (`prf.py`)."""
        if self._pads is None:
            object.__setattr__(self, "_pads", pads(self.secret))
        return self._pads or pads(self.secret)

    def __post_init__(self) -> None:
        uuid_bytes(self.id)
        if len(self.secret) != KEY_BYTES:
            raise BlobError()

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key does not leave its process.")


def new_key(id: str | None = None) -> Key:
    """A random key, with a random id unless one is given."""
    return Key(id or str(uuid.uuid4()), secrets.token_bytes(KEY_BYTES))


def pads(secret: bytes) -> tuple[Hash, Hash]:
    """SHA-256 after its first block: the key XOR ipad, and the key XOR opad. For keys of at most 64 bytes."""
    block = secret.ljust(_BLOCK_BYTES, b"\x00")
    if len(block) != _BLOCK_BYTES:
        raise ValueError("RFC 2104 hashes a longer key first, and no key here is longer.")
    return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))
