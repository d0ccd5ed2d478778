"""Seal and open: Cobblestone-256 with a context.

Cobblestone-256 (`cryptography.cobblestone`, https://c2sp.org/chunked-encryption) derives a fresh key, nonce and
commitment for each message by HKDF-Expand-SHA512 from a random salt of 24 bytes, and encrypts chunks of 16 KiB with
AES-256-GCM. It adds what plain AES-GCM lacks: key commitment, a bound context, and no practical limit of messages.
"""

from __future__ import annotations

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from vault.crypto.context import SYSTEM_OWNER_ID, Context
from vault.crypto.digest import keyed_digest
from vault.crypto.envelope import FLAG_PADDED, HEADER_BYTES, Header, SealedBlob, Suite, parse_header, uuid_bytes
from vault.crypto.key import KEY_BYTES, Key
from vault.errors import BlobError

PADDING_STEP_BYTES = 256
"""The length of a padded blob reveals the size of the plaintext only in steps of 256 bytes."""

CHECK_VALUE_BYTES = 16

_USER_KEY_LABEL = b"SRM1 user-key"


def derive_user_key(unwrapped: bytes, instance_id: str, owner_id: str | None, user_key_id: str) -> Key:
    """Derive the user key in use: HKDF-Expand-SHA512 (RFC 5869) of the key that the provider unwrapped.

    A rewrap does not change it. It is bound to its owner even if the device's wrap takes no context.
    """
    ids = (instance_id, owner_id or SYSTEM_OWNER_ID, user_key_id)
    info = _USER_KEY_LABEL + b"".join(map(uuid_bytes, ids))
    return Key(user_key_id, HKDFExpand(SHA512(), KEY_BYTES, info).derive(unwrapped))


def key_check_value(key: Key) -> bytes:
    """Return 16 bytes that tell this key from any other. They reveal nothing about it, because it is random and has 256
    bits.
    """
    return keyed_digest(key, "key check value", key.id)[:CHECK_VALUE_BYTES]


def seal(key: Key, context: Context, plaintext: bytes, *, padded: bool = False) -> SealedBlob:
    """Seal `plaintext` with `key` for one place. `padded` rounds its length up to steps of 256 bytes."""
    header = Header(Suite.COBBLESTONE_256, context.type, FLAG_PADDED if padded else 0, key.id).pack()
    body = encrypt(key.secret, context.associated_data(header), _pad(plaintext) if padded else plaintext)
    return SealedBlob(header + body)


def open_blob(key: Key, context: Context, blob: bytes) -> bytes:
    """Return the plaintext of a blob, after all of it has been authenticated.

    Raises the same `BlobError` for a wrong key, another place, another type and changed bytes.
    """
    header = parse_header(blob)
    if header.suite is not Suite.COBBLESTONE_256 or header.type is not context.type or header.key_id != key.id:
        raise BlobError()
    plaintext = decrypt(key.secret, context.associated_data(blob), blob[HEADER_BYTES:])
    return _unpad(plaintext) if header.flags & FLAG_PADDED else plaintext


def encrypt(secret: bytes, associated_data: bytes, plaintext: bytes) -> bytes:
    """Encrypt with Cobblestone-256 without a header, for `seal` and for the wraps of a local key provider."""
    encryptor = Cobblestone256Encryptor(secret, associated_data)
    return encryptor.update(plaintext) + encryptor.finalize()


def decrypt(secret: bytes, associated_data: bytes, ciphertext: bytes) -> bytes:
    """Undo `encrypt`. Raises `BlobError`.

    `update` returns plaintext before `finalize` has authenticated all of it, so return nothing before `finalize`.
    """
    decryptor = Cobblestone256Decryptor(secret, associated_data)
    try:
        return decryptor.update(ciphertext) + decryptor.finalize()
    except InvalidTag:
        raise BlobError() from None


def _pad(plaintext: bytes) -> bytes:
    """Pad as ISO/IEC 7816-4: 0x80, then zeros. There is always at least one byte, so unpadding is unambiguous."""
    return plaintext + b"\x80" + bytes(-(len(plaintext) + 1) % PADDING_STEP_BYTES)


def _unpad(padded: bytes) -> bytes:
    plaintext = padded.rstrip(b"\x00")
    if not plaintext.endswith(b"\x80") or len(padded) % PADDING_STEP_BYTES:
        raise BlobError()
    if len(padded) - len(plaintext) >= PADDING_STEP_BYTES:
        raise BlobError()
    return plaintext[:-1]
