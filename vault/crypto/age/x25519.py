"""The X25519 recipient of age: the share of a key for this file only, and the file key wrapped with the shared
secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from vault.crypto.age import bech32
from vault.crypto.age.header import Stanza, bad_header, decode64, encode64, hkdf
from vault.errors import FormatError

_INFO = b"age-encryption.org/v1/X25519"
_KEY_BYTES = 32
_WRAPPED_BYTES = 32
_NONCE = bytes(12)


@dataclass(frozen=True, slots=True)
class X25519Recipient:
    """A public key, as `age-keygen` prints it."""

    kind: ClassVar[str] = "X25519"
    public: bytes

    @classmethod
    def from_text(cls, text: str) -> X25519Recipient:
        """Read `age1…`. Raises `FormatError`."""
        found = bech32.decode(text)
        if found is None or found[0] != "age" or len(found[1]) != _KEY_BYTES:
            raise FormatError(
                "This is not a recipient. It must be age1 and 58 more characters, as age-keygen prints it."
            )
        return cls(found[1])

    def wrap(self, file_key: bytes) -> Stanza:
        """Wrap the file key for the owner of the secret key."""
        ephemeral = X25519PrivateKey.generate()
        share = ephemeral.public_key().public_bytes_raw()
        cipher = _cipher(ephemeral, self.public, share, self.public)
        return Stanza(self.kind, (encode64(share),), cipher.encrypt(_NONCE, file_key, None))


@dataclass(frozen=True, slots=True)
class X25519Identity:
    """A secret key, as `age-keygen` writes it to a file."""

    secret: bytes = field(repr=False)

    @classmethod
    def from_text(cls, text: str) -> X25519Identity:
        """Read `AGE-SECRET-KEY-1…`. Raises `FormatError`, which does not quote the text."""
        found = bech32.decode(text)
        if found is None or found[0] != "age-secret-key-" or len(found[1]) != _KEY_BYTES:
            raise FormatError("This is not an identity. It must be AGE-SECRET-KEY-1 and 58 more characters.")
        return cls(found[1])

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """Return the file key from the first stanza that opens."""
        key = X25519PrivateKey.from_private_bytes(self.secret)
        public = key.public_key().public_bytes_raw()
        for stanza in stanzas:
            if stanza.kind != X25519Recipient.kind:
                continue
            if len(stanza.arguments) != 1 or len(stanza.body) != _WRAPPED_BYTES:
                raise bad_header()
            share = decode64(stanza.arguments[0])
            if len(share) != _KEY_BYTES:
                raise bad_header()
            try:
                return _cipher(key, share, share, public).decrypt(_NONCE, stanza.body, None)
            except InvalidTag:
                continue
        return None


def identities_from(text: str) -> tuple[X25519Identity, ...]:
    """Return the identities in a file of `age-keygen`: one for each line, and comments. Raises `FormatError`."""
    lines = [line.strip() for line in text.splitlines()]
    found = tuple(X25519Identity.from_text(line) for line in lines if line and not line.startswith("#"))
    if not found:
        raise FormatError("There is no identity in this file. It needs a line AGE-SECRET-KEY-1…")
    return found


def _cipher(key: X25519PrivateKey, peer: bytes, share: bytes, recipient: bytes) -> ChaCha20Poly1305:
    try:
        shared = key.exchange(X25519PublicKey.from_public_bytes(peer))
    except ValueError:
        # A point of low order would give a secret of zeros, which everybody knows.
        raise bad_header() from None
    return ChaCha20Poly1305(hkdf(shared, share + recipient, _INFO))
