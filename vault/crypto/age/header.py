"""age's header: one stanza for each recipient, and a MAC over them under the file key.

    age-encryption.org/v1
    -> X25519 <share>
    <wrapped file key>
    --- <HMAC-SHA256 of all above, up to and with the three dashes>

Base64 without padding, 64 columns; the last line of a body is shorter, and may be empty. Every byte of the grammar
is checked, so that every age program reads the same header.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vault.errors import FormatError

MAGIC = b"age-encryption.org/"
_VERSION_LINE = MAGIC + b"v1\n"
_STANZA = re.compile(
    rb"-> ([\x21-\x7e]++(?: [\x21-\x7e]++)*+)\n((?:[A-Za-z0-9+/]{64}\n)*+[A-Za-z0-9+/]{0,63})\n", re.ASCII
)
_MAC_LINE = re.compile(rb"--- ([A-Za-z0-9+/]{43})\n")
_COLUMNS = 64
STANZAS_MOST = 100
"""Each stanza is tried with each identity, and few environments are given to more people than this."""

_ALONE = "scrypt"


@dataclass(frozen=True, slots=True)
class Stanza:
    """The file key for one recipient: the kind of recipient, its arguments, and the wrapped key."""

    kind: str
    arguments: tuple[str, ...]
    body: bytes


class Recipient(Protocol):
    """A person or key that a file is for."""

    def wrap(self, file_key: bytes) -> Stanza:
        """Return the stanza from which only this recipient can get the file key."""


class Identity(Protocol):
    """A key or passphrase that can open a file."""

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """Return the file key, or None if no stanza is for this identity. Raises `FormatError` for a broken stanza."""


@dataclass(frozen=True, slots=True)
class Header:
    """A parsed header, and the payload behind it."""

    stanzas: tuple[Stanza, ...]
    authenticated: bytes
    mac: bytes
    payload: bytes = field(repr=False)

    def check_mac(self, file_key: bytes) -> None:
        """Raise `FormatError` unless this header was written with the file key."""
        try:
            _hmac(file_key, self.authenticated).verify(self.mac)
        except InvalidSignature:
            raise FormatError("The header of this age file was changed after it was written.") from None


def build(file_key: bytes, stanzas: Sequence[Stanza]) -> bytes:
    """Return the header of a new file. Raises `FormatError` for a passphrase beside other recipients."""
    _check_alone(stanzas)
    text = _VERSION_LINE + b"".join(map(_encoded, stanzas)) + b"---"
    return text + b" " + encode64(_hmac(file_key, text).finalize()).encode() + b"\n"


def parse(data: bytes) -> Header:
    """Parse the header at the start of an age file. Raises `FormatError`."""
    if not data.startswith(_VERSION_LINE):
        raise FormatError("This is not an age file of version 1.")
    stanzas: list[Stanza] = []
    position = len(_VERSION_LINE)
    while found := _STANZA.match(data, position):
        stanzas.append(_stanza(found))
        if len(stanzas) > STANZAS_MOST:
            raise FormatError(f"This age file has more than {STANZAS_MOST} recipients.")
        position = found.end()
    end = _MAC_LINE.match(data, position)
    if end is None or not stanzas:
        raise bad_header()
    _check_alone(stanzas)
    return Header(tuple(stanzas), data[: position + 3], decode64(end[1].decode()), data[end.end() :])


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """Derive 32 bytes by HKDF-SHA256. All keys in an age file are derived like this."""
    return HKDF(SHA256(), 32, salt, info).derive(key)


def encode64(data: bytes) -> str:
    """Return base64 without padding."""
    return base64.b64encode(data).decode().rstrip("=")


def decode64(text: str) -> bytes:
    """Decode what `encode64` returns. Raises `FormatError` for any other spelling of the same bytes."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise bad_header() from None
    if encode64(data) != text:
        raise bad_header()
    return data


def bad_header() -> FormatError:
    """Return the one error for all faults in a header."""
    return FormatError("The header of this age file is damaged.")


def _stanza(found: re.Match[bytes]) -> Stanza:
    kind, *arguments = found[1].decode("ascii").split(" ")
    return Stanza(kind, tuple(arguments), decode64(found[2].replace(b"\n", b"").decode("ascii")))


def _encoded(stanza: Stanza) -> bytes:
    text = encode64(stanza.body)
    lines = [text[start : start + _COLUMNS] for start in range(0, len(text) + 1, _COLUMNS)]
    return "\n".join([" ".join(["->", stanza.kind, *stanza.arguments]), *lines, ""]).encode("ascii")


def _check_alone(stanzas: Sequence[Stanza]) -> None:
    if len(stanzas) > 1 and any(stanza.kind == _ALONE for stanza in stanzas):
        # Everybody who knows the passphrase could have written the file. Beside other recipients, that would not be
        # visible.
        raise FormatError("An age file has one passphrase or some recipients, not both.")


def _hmac(file_key: bytes, text: bytes) -> HMAC:
    mac = HMAC(hkdf(file_key, b"", b"header"), SHA256())
    mac.update(text)
    return mac
