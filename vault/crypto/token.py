"""Tokens: the text of a credential, its checksum, and the digest that is stored instead of it.

    srm_<kind>_<12 id><43 secret><6 checksum>        in base62

A double-click selects all of it (hence underscores), secret scanners can match it, and the checksum (CRC-32 of
everything before it) refuses wrong texts before any lookup. 43 characters of base62 hold 256 bits.
"""

from __future__ import annotations

import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from enum import StrEnum

from vault.crypto.digest import keyed_digest
from vault.crypto.key import Key
from vault.errors import NotAuthenticated

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID_CHARACTERS = 12
SECRET_CHARACTERS = 43
CHECKSUM_CHARACTERS = 6
"""Six characters hold a CRC-32, since 62**6 is more than 2**32."""

_SHAPE = re.compile(r"srm_([tswk])_([0-9A-Za-z]{12})[0-9A-Za-z]{49}", re.ASCII)
_ID = re.compile(r"[0-9A-Za-z]{12}", re.ASCII)
_SECRET = re.compile(r"[0-9A-Za-z]{43}", re.ASCII)
_NO_DIGEST = bytes(32)


class TokenKind(StrEnum):
    """What a token is for."""

    SERVICE = "t"
    SESSION = "s"
    WRAPPING = "w"
    TICKET = "k"

    @property
    def prefix(self) -> str:
        """The beginning of each token of this kind."""
        return f"srm_{self.value}_"


_KINDS = {kind.value: kind for kind in TokenKind}


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A new token. `text` is shown once, to the caller that asked for it. Only its digest is stored."""

    id: str
    text: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ParsedToken:
    """A token with a valid shape and checksum. Its secret has not been checked."""

    kind: TokenKind
    id: str
    text: str = field(repr=False)


def mint(kind: TokenKind, id: str | None = None) -> MintedToken:
    """Make a new token; with `id`, make a new secret for an existing token."""
    id = id or _random_characters(ID_CHARACTERS)
    secret = _random_characters(SECRET_CHARACTERS)
    return MintedToken(id, from_parts(kind, id, secret), secret)


def from_parts(kind: TokenKind, id: str, secret: str) -> str:
    """Build the token's text from its 12-character id and 43-character secret. Raises `NotAuthenticated` for other
    shapes.
    """
    if not _ID.fullmatch(id) or not _SECRET.fullmatch(secret):
        raise NotAuthenticated()
    body = f"{kind.prefix}{id}{secret}"
    return body + _checksum(body)


def parse(text: str) -> ParsedToken:
    """Check the shape and the checksum. Raises `NotAuthenticated`, with the same text for every cause."""
    shape = _SHAPE.fullmatch(text)
    if shape is None or _checksum(text[:-CHECKSUM_CHARACTERS]) != text[-CHECKSUM_CHARACTERS:]:
        raise NotAuthenticated()
    return ParsedToken(_KINDS[shape[1]], shape[2], text)


def digest(key: Key, text: str) -> bytes:
    """Return the digest that is stored for a token: HMAC-SHA256 of its kind, its id and all of its text."""
    return keyed_digest(key, "token", text[4:5], text[6 : 6 + ID_CHARACTERS], text)


def matches(key: Key, text: str, stored_digest: bytes | None) -> bool:
    """Report in constant time whether this is the stored token. Without a digest, a dummy comparison takes as long."""
    return same_digest(digest(key, text), stored_digest)


def same_digest(given: bytes, stored: bytes | None) -> bool:
    """Like `matches`, for a caller that already has the digest."""
    same = hmac.compare_digest(given, _NO_DIGEST if stored is None else stored)
    return same and stored is not None


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode("ascii"))
    digits = []
    for _ in range(CHECKSUM_CHARACTERS):
        number, rest = divmod(number, 62)
        digits.append(ALPHABET[rest])
    return "".join(reversed(digits))


def _random_characters(count: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(count))
