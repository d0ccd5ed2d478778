"""Seal and open: Cobblestone-256 under a context, and the keys that do it.

Cobblestone-256 (`cryptography.cobblestone`, https://c2sp.org/chunked-encryption) derives a fresh key, nonce and
commitment for each message by HKDF-Expand-SHA512 from a random salt of 24 bytes, and encrypts chunks of 16 KiB with
AES-256-GCM. What bare AES-GCM lacks, it has: key commitment, bound context, and no practical limit of messages.
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
"""The length of a padded plaintext tells an onlooker its size to 256 bytes, and no closer."""

CHECK_VALUE_BYTES = 16

_USER_KEY_LABEL = b"SRM1 user-key"


def derive_user_key(unwrapped: bytes, instance_id: str, owner_id: str | None, user_key_id: str) -> Key:
    """The user key in use: HKDF-Expand-SHA512 (RFC 5869) of what the provider unwrapped.

    It stays the same through every rewrap, and belongs to its owner even where a device's wrap takes no context.
    """
    ids = (instance_id, owner_id or SYSTEM_OWNER_ID, user_key_id)
    info = _USER_KEY_LABEL + b"".join(map(uuid_bytes, ids))
    return Key(user_key_id, HKDFExpand(SHA512(), KEY_BYTES, info).derive(unwrapped))


def key_check_value(key: Key) -> bytes:
    """16 bytes that tell this key from any other, and nothing of it: it is random and of 256 bits."""
    return keyed_digest(key, "key check value", key.id)[:CHECK_VALUE_BYTES]


def seal(key: Key, context: Context, plaintext: bytes, *, padded: bool = False) -> SealedBlob:
    """Seal `plaintext` under `key` for one place. `padded` hides its length to steps of 256 bytes."""
    header = Header(Suite.COBBLESTONE_256, context.type, FLAG_PADDED if padded else 0, key.id).pack()
    body = encrypt(key.secret, context.associated_data(header), _pad(plaintext) if padded else plaintext)
    return SealedBlob(header + body)


def open_blob(key: Key, context: Context, blob: bytes) -> bytes:
    """The plaintext of a blob, after all of it has been proven.

    Raises the same `BlobError` for every cause: another key, another place, another type, or changed bytes.
    """
    header = parse_header(blob)
    if header.suite is not Suite.COBBLESTONE_256 or header.type is not context.type or header.key_id != key.id:
        raise BlobError()
    plaintext = decrypt(key.secret, context.associated_data(blob), blob[HEADER_BYTES:])
    return _unpad(plaintext) if header.flags & FLAG_PADDED else plaintext


def encrypt(secret: bytes, associated_data: bytes, plaintext: bytes) -> bytes:
    """Cobblestone-256 alone, with no header: for `seal`, and for the wraps of a local key provider."""
    encryptor = Cobblestone256Encryptor(secret, associated_data)
    return encryptor.update(plaintext) + encryptor.finalize()


def decrypt(secret: bytes, associated_data: bytes, ciphertext: bytes) -> bytes:
    """The inverse of `encrypt`. Raises `BlobError`.

    `update` hands out plaintext that only `finalize` proves to be whole, so nothing is returned before it.
    """
    decryptor = Cobblestone256Decryptor(secret, associated_data)
    try:
        return decryptor.update(ciphertext) + decryptor.finalize()
    except InvalidTag:
        raise BlobError() from None


def _pad(plaintext: bytes) -> bytes:
    """ISO/IEC 7816-4: 0x80, then zeros; at least one byte, so that unpadding is never a guess."""
    return plaintext + b"\x80" + bytes(-(len(plaintext) + 1) % PADDING_STEP_BYTES)


def _unpad(padded: bytes) -> bytes:
    plaintext = padded.rstrip(b"\x00")
    if not plaintext.endswith(b"\x80") or len(padded) % PADDING_STEP_BYTES:
        raise BlobError()
    if len(padded) - len(plaintext) >= PADDING_STEP_BYTES:
        raise BlobError()
    return plaintext[:-1]
