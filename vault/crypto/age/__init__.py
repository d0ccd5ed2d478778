"""age files (https://age-encryption.org/v1): for sending an environment to another person.

    file ─ armor? ─ header ─ nonce ─ chunks
                      │                └ ChaCha20-Poly1305 of 64 KiB each        stream.py
                      └ stanzas: the file key, wrapped once for each recipient   x25519.py, passphrase.py
                        and an HMAC over all of it, under the file key           header.py

The primitives come from `cryptography`. The C2SP defines the format, and its test vectors test all of this code. We do
not use pyrage 1.4, the only library for Python, because a caller cannot set the work factor of a passphrase: pyrage
chooses it by measuring time. The same call on the same machine wrote 18, 19 and 20 (20 needs 1 GiB), and a faster
machine writes 21, which this package refuses. Its limit on reading depends on the measured time too. pyrage could only
replace the X25519 recipients: the passphrase would still need the header, its MAC and the chunks.

    text = encrypt(b"A=1\\n", [X25519Recipient.from_text("age1…")])
    decrypt(text, [Passphrase("…")])
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from vault.crypto.age import armor, header, stream
from vault.crypto.age.header import STANZAS_MOST, Identity, Recipient
from vault.crypto.age.passphrase import WORK_FACTOR_MOST, Passphrase
from vault.crypto.age.x25519 import X25519Identity, X25519Recipient, identities_from
from vault.errors import FormatError

_FILE_KEY_BYTES = 16

RECIPIENTS_MOST = STANZAS_MOST
"""A file for more recipients could not be opened here."""

_HEAD_BYTES = 64 * 1024
"""The largest header of a stream. A hundred recipients need a quarter of it."""


def encrypt(plaintext: bytes, recipients: Sequence[Recipient]) -> bytes:
    """Return an armored age file that each of `recipients` can open. A passphrase must be the only recipient.

    Raises `FormatError`.
    """
    return armor.enarmored(b"".join(encrypt_stream([plaintext], recipients)))


def encrypt_stream(plaintext: Iterable[bytes], recipients: Sequence[Recipient]) -> Iterator[bytes]:
    """Yield a binary age file in pieces, for data that is too large for memory. Raises `FormatError`."""
    if not recipients:
        raise FormatError("An age file needs a recipient or a passphrase.")
    if len(recipients) > RECIPIENTS_MOST:
        raise FormatError(f"An age file can have at most {RECIPIENTS_MOST} recipients.")
    file_key = secrets.token_bytes(_FILE_KEY_BYTES)
    yield header.build(file_key, [recipient.wrap(file_key) for recipient in recipients])
    yield from stream.seal(file_key, plaintext)


def decrypt(data: bytes, identities: Sequence[Identity]) -> bytes:
    """Return the content of an age file, armored or not.

    Raises `FormatError` if it is not an age file, is for somebody else, was changed, or asks for more than 2^20 steps
    of scrypt, which is refused before any work. Nothing is returned before everything is verified.
    """
    return b"".join(decrypt_stream([armor.dearmored(data) if armor.is_armored(data) else data], identities))


def decrypt_stream(sealed: Iterable[bytes], identities: Sequence[Identity]) -> Iterator[bytes]:
    """Yield the content of a binary age file, each chunk after it was verified. Raises what `decrypt` raises.

    A missing end is only found at the end, so read the whole stream before you act on its content.
    """
    source = iter(sealed)
    start = b""
    for piece in source:
        start += piece
        if len(start) >= _HEAD_BYTES:
            break
    parsed = header.parse(start)
    for identity in identities:
        file_key = identity.unwrap(parsed.stanzas)
        if file_key is not None:
            parsed.check_mac(file_key)
            return stream.open_sealed(file_key, chain([parsed.payload], source))
    raise FormatError("This age file is not for this identity, or the passphrase is wrong.")


def is_age(data: bytes) -> bool:
    """Report whether these bytes start like an age file."""
    return armor.is_armored(data) or data.startswith(header.MAGIC)


def takes_passphrase(data: bytes) -> bool:
    """Report whether this age file opens with a passphrase. Raises `FormatError`."""
    parsed = header.parse(armor.dearmored(data) if armor.is_armored(data) else data)
    return any(stanza.kind == Passphrase.kind for stanza in parsed.stanzas)


__all__ = [
    "RECIPIENTS_MOST",
    "WORK_FACTOR_MOST",
    "Identity",
    "Passphrase",
    "Recipient",
    "X25519Identity",
    "X25519Recipient",
    "decrypt",
    "decrypt_stream",
    "encrypt",
    "encrypt_stream",
    "identities_from",
    "is_age",
    "takes_passphrase",
]
