"""Signed checkpoints of the audit's tree: C2SP `tlog-checkpoint` in a C2SP `signed-note`, with Ed25519.

    strongroom/<instance id>                     the origin, which is also the name of the signing key
    1234                                         the number of leaves
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I= its root
                                                 (an empty line)
    — strongroom/<instance id> ⟨base64 of the key's hash (4 bytes) ‖ signature⟩

    key's hash = SHA-256(name ‖ "\\n" ‖ 0x01 ‖ public key)[0:4]

See https://c2sp.org/tlog-checkpoint and https://c2sp.org/signed-note. Any tool for these formats can check one with
the verifier key that `verifier_key` gives.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from vault.crypto.key import Key
from vault.crypto.merkle import HASH_BYTES
from vault.errors import SignatureError

_ED25519 = b"\x01"
_SIGNATURE_START = "— "  # An em dash (U+2014) and a space, as the signed-note format has it.
_KEY_HASH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """States that the tree of `origin` had `size` leaves and this root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text of the note. The signature covers this text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def sign_checkpoint(key: Key, checkpoint: Checkpoint) -> str:
    """Return the signed note of a checkpoint. The key's 32 bytes are the Ed25519 seed (RFC 8032)."""
    private = Ed25519PrivateKey.from_private_bytes(key.secret)
    public = private.public_key().public_bytes_raw()
    signed = _key_hash(checkpoint.origin, public) + private.sign(checkpoint.text.encode())
    return f"{checkpoint.text}\n{_SIGNATURE_START}{checkpoint.origin} {base64.b64encode(signed).decode()}\n"


def open_checkpoint(note: str, origin: str, keys: Iterable[Key]) -> Checkpoint:
    """Return the checkpoint of a note that one of `keys` has signed for `origin`.

    Signatures of other names are ignored, as the format requires. Raises `SignatureError`.
    """
    publics = [Ed25519PrivateKey.from_private_bytes(key.secret).public_key().public_bytes_raw() for key in keys]
    return read_checkpoint(note, origin, publics)


def read_checkpoint(note: str, origin: str, public_keys: Iterable[bytes]) -> Checkpoint:
    """Like `open_checkpoint`, for a caller that has only the public keys."""
    text, separator, signatures = note.partition("\n\n")
    text += "\n"
    if not separator:
        raise SignatureError()
    for public in public_keys:
        if any(_is_signed(text, line, origin, public) for line in signatures.splitlines()):
            return _parse(text, origin)
    raise SignatureError()


def unproven_checkpoint(note: str, origin: str) -> Checkpoint:
    """Return the checkpoint of a note without checking its signature, for notes from a trusted place.

    Raises `SignatureError` if it is not a checkpoint of `origin` or has no signature under that name.
    """
    text, _, signatures = note.partition("\n\n")
    if not any(line.startswith(f"{_SIGNATURE_START}{origin} ") for line in signatures.splitlines()):
        raise SignatureError()
    return _parse(text + "\n", origin)


def is_checkpoint(note: str) -> bool:
    """Report whether a note has the form of a signed checkpoint, of this or of another vault."""
    text, separator, signatures = note.partition("\n\n")
    try:
        _parse(text + "\n", text.partition("\n")[0])
    except SignatureError:
        return False
    return bool(separator) and any(line.startswith(_SIGNATURE_START) for line in signatures.splitlines())


def verifier_key(origin: str, key: Key) -> str:
    """Return the public key in the form that tools for signed notes read: `name+hash+base64`."""
    public = Ed25519PrivateKey.from_private_bytes(key.secret).public_key().public_bytes_raw()
    return f"{origin}+{_key_hash(origin, public).hex()}+{base64.b64encode(_ED25519 + public).decode()}"


def _is_signed(text: str, line: str, name: str, public: bytes) -> bool:
    start = f"{_SIGNATURE_START}{name} "
    if not line.startswith(start):
        return False
    try:
        signed = base64.b64decode(line.removeprefix(start), validate=True)
        if signed[:_KEY_HASH_BYTES] != _key_hash(name, public):
            return False
        Ed25519PublicKey.from_public_bytes(public).verify(signed[_KEY_HASH_BYTES:], text.encode())
    except (binascii.Error, InvalidSignature):
        return False
    return True


def _parse(text: str, origin: str) -> Checkpoint:
    lines = text.split("\n")
    try:
        size, root = int(lines[1]), base64.b64decode(lines[2], validate=True)
    except (IndexError, ValueError):
        raise SignatureError() from None
    if lines[0] != origin or len(root) != HASH_BYTES or str(size) != lines[1] or size < 0:
        raise SignatureError()
    return Checkpoint(origin, size, root)


def _key_hash(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:_KEY_HASH_BYTES]
