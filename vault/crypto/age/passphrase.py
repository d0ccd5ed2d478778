"""The passphrase recipient of age: scrypt (RFC 7914) with r = 8 and p = 1, and the work factor in the file."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from vault.crypto.age.header import Stanza, bad_header, decode64, encode64
from vault.errors import FormatError

WORK_FACTOR = 18
"""The work factor that age writes: 256 MiB and about a second."""

WORK_FACTOR_MOST = 20
"""1 GiB and a few seconds. A file may come from anybody, and could ask for 2^30 steps: a terabyte."""

_SALT_LABEL = b"age-encryption.org/v1/scrypt"
_SALT_BYTES = 16
_WRAPPED_BYTES = 32
_WORK_FACTOR = re.compile(r"[1-9][0-9]*")
_NONCE = bytes(12)


@dataclass(frozen=True, slots=True)
class Passphrase:
    """A passphrase, as a recipient and as an identity."""

    kind: ClassVar[str] = "scrypt"
    text: str = field(repr=False)
    work_factor: int = WORK_FACTOR

    def __post_init__(self) -> None:
        if not self.text:
            raise FormatError("An empty passphrase protects nothing.")
        try:
            self.text.encode()
        except UnicodeEncodeError:
            raise FormatError("This passphrase contains half of a surrogate pair, which is not valid text.") from None

    def wrap(self, file_key: bytes) -> Stanza:
        """Wrap the file key with a key that is derived with its own salt."""
        salt = secrets.token_bytes(_SALT_BYTES)
        cipher = self._cipher(salt, self.work_factor)
        return Stanza(self.kind, (encode64(salt), str(self.work_factor)), cipher.encrypt(_NONCE, file_key, None))

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """Return the file key, or None for a wrong passphrase. The work factor is checked before anything is
        computed.
        """
        for stanza in stanzas:
            if stanza.kind == self.kind:
                salt, work_factor = _arguments(stanza)
                try:
                    return self._cipher(salt, work_factor).decrypt(_NONCE, stanza.body, None)
                except InvalidTag:
                    return None
        return None

    def _cipher(self, salt: bytes, work_factor: int) -> ChaCha20Poly1305:
        scrypt = Scrypt(salt=_SALT_LABEL + salt, length=32, n=1 << work_factor, r=8, p=1)
        return ChaCha20Poly1305(scrypt.derive(self.text.encode()))


def _arguments(stanza: Stanza) -> tuple[bytes, int]:
    if len(stanza.arguments) != 2 or not _WORK_FACTOR.fullmatch(stanza.arguments[1]):
        raise bad_header()
    salt = decode64(stanza.arguments[0])
    if len(salt) != _SALT_BYTES or len(stanza.body) != _WRAPPED_BYTES:
        raise bad_header()
    digits = stanza.arguments[1]
    # Check the number's length first: parsing a million digits takes long.
    if len(digits) > len(str(WORK_FACTOR_MOST)) or int(digits) > WORK_FACTOR_MOST:
        raise FormatError(
            f"The header of this age file asks for more than 2^{WORK_FACTOR_MOST} steps of scrypt, so it is refused."
        )
    return salt, int(digits)
