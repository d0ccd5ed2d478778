"""Passwords: Argon2id hashes in PHC strings, and what may not become a password.

A PHC string says itself how much memory its check takes, and it comes from the database. It is sealed there, and
its parameters are held against our range before any memory is taken. `argon2` is imported where it is used: the SDK
imports this room in an installation that has no server and no `argon2`.
"""

from __future__ import annotations

import base64
import re
import secrets
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from vault.crypto.common_passwords import is_guessable
from vault.errors import BlobError, InvalidInput, Unavailable

MINIMUM_CHARACTERS = 12
MAXIMUM_BYTES = 1024
SALT_BYTES = 16
HASH_BYTES = 32
ARGON2_VERSION = 19
"""RFC 9106 calls it 0x13; no other has been in use since 2016."""

# The floor is OWASP's second recommendation for Argon2id (19 MiB, t=2, p=1), 2026; the ceiling bounds what one
# login can cost.
MEMORY_RANGE_KIB = (19 * 1024, 1024 * 1024)
PASSES_RANGE = (2, 16)
LANES_RANGE = (1, 16)

# Salts of 16 to 64 bytes and hashes of 32 to 64 bytes, in base64 without its padding.
_PHC = re.compile(
    r"\$argon2id\$v=(\d{1,3})\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{22,86})\$([A-Za-z0-9+/]{43,86})",
    re.ASCII,
)
_USERNAME_WORTH_SEEKING_CHARACTERS = 4


@dataclass(frozen=True, slots=True)
class PasswordParameters:
    """How dear one guess is: memory in KiB, passes over it, and lanes side by side."""

    memory_kib: int
    passes: int
    lanes: int

    def in_range(self) -> bool:
        """Whether this vault would work with them."""
        given = (self.memory_kib, self.passes, self.lanes)
        ranges = (MEMORY_RANGE_KIB, PASSES_RANGE, LANES_RANGE)
        return all(low <= number <= high for number, (low, high) in zip(given, ranges, strict=True))


FLOOR = PasswordParameters(memory_kib=MEMORY_RANGE_KIB[0], passes=PASSES_RANGE[0], lanes=LANES_RANGE[0])
DEFAULT = PasswordParameters(memory_kib=64 * 1024, passes=3, lanes=1)


def hash_password(password: str, parameters: PasswordParameters) -> str:
    """The PHC string of a password. Raises `InvalidInput` when it is empty or over 1,024 bytes."""
    from argon2 import exceptions, low_level

    if not parameters.in_range():
        raise ValueError("These Argon2id parameters are outside the range that this vault accepts.")
    salt = secrets.token_bytes(SALT_BYTES)
    try:
        phc = low_level.hash_secret(
            _encode(password),
            salt,
            time_cost=parameters.passes,
            memory_cost=parameters.memory_kib,
            parallelism=parameters.lanes,
            hash_len=HASH_BYTES,
            type=low_level.Type.ID,
        )
    except exceptions.HashingError as error:
        raise Unavailable("The server has no memory for a password check just now.") from error
    return phc.decode("ascii")


def slow_digest(data: bytes, salt: bytes, parameters: PasswordParameters) -> bytes:
    """A digest of what holds a password, from which it is as dear to guess as from its hash; `salt` of 16 bytes.

    Raises `Unavailable` as `hash_password` does.
    """
    from argon2 import exceptions, low_level

    costs = {
        "time_cost": parameters.passes,
        "memory_cost": parameters.memory_kib,
        "parallelism": parameters.lanes,
    }
    try:
        return low_level.hash_secret_raw(data, salt, hash_len=HASH_BYTES, type=low_level.Type.ID, **costs)
    except exceptions.HashingError as error:
        raise Unavailable("The server has no memory for a password check just now.") from error


def verify_password(phc: str, password: str) -> bool:
    """Whether the password is the one. Raises `BlobError`, with nothing allocated, on a PHC string not of our making.

    Raises `InvalidInput` on what could never have become a password.
    """
    from argon2 import exceptions, low_level

    _parameters_of(phc)
    try:
        return low_level.verify_secret(phc.encode("ascii"), _encode(password), low_level.Type.ID)
    except exceptions.VerifyMismatchError:
        return False
    except exceptions.VerificationError as error:
        raise Unavailable("The server has no memory for a password check just now.") from error


def needs_rehash(phc: str, parameters: PasswordParameters) -> bool:
    """Whether a PHC string was made with other parameters than these. Raises `BlobError` as `verify_password` does."""
    return _parameters_of(phc) != parameters


def check_new_password(password: str, username: str) -> None:
    """Raise `InvalidInput`, with the path `password`, on what may not become a password."""
    _encode(password)
    if len(unicodedata.normalize("NFC", password)) < MINIMUM_CHARACTERS:
        raise InvalidInput(f"A password has at least {MINIMUM_CHARACTERS} characters.", path="password")
    folded, name = _fold(password), _fold(username)
    if folded == name or (len(name) >= _USERNAME_WORTH_SEEKING_CHARACTERS and name in folded):
        raise InvalidInput("The password must not hold the username.", path="password")
    if is_guessable(folded):
        raise InvalidInput(
            "This password is among the first that anybody would guess; take some unrelated words.", path="password"
        )


@lru_cache(maxsize=8)
def dummy_hash(parameters: PasswordParameters) -> str:
    """A PHC string that no password matches: what an unknown user's login is checked against, at the same cost.

    Its hash is chance and nothing was hashed for it: the first unknown name must not cost more than the second.
    """
    costs = f"m={parameters.memory_kib},t={parameters.passes},p={parameters.lanes}"
    salt, chance = (
        base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (SALT_BYTES, HASH_BYTES)
    )
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${chance}"


def _encode(password: str) -> bytes:
    """NFC, so that the same keys pressed on another system make the same bytes; then UTF-8."""
    # Normalising is itself work: refuse by the raw length first, which NFC shortens to a third at the most.
    if not password:
        raise InvalidInput("A password must not be empty.", path="password")
    if len(password) > 4 * MAXIMUM_BYTES:
        raise InvalidInput(f"A password has at most {MAXIMUM_BYTES} bytes.", path="password")
    try:
        raw = unicodedata.normalize("NFC", password).encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInput("The password holds half of a surrogate pair, which is no text.", path="password") from None
    if len(raw) > MAXIMUM_BYTES:
        raise InvalidInput(f"A password has at most {MAXIMUM_BYTES} bytes.", path="password")
    return raw


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _parameters_of(phc: str) -> PasswordParameters:
    match = _PHC.fullmatch(phc)
    if match is None or int(match[1]) != ARGON2_VERSION:
        raise BlobError()
    # A length of 4n+1 characters is no base64 of anything.
    if any(len(text) % 4 == 1 for text in (match[5], match[6])):
        raise BlobError()
    parameters = PasswordParameters(int(match[2]), int(match[3]), int(match[4]))
    if not parameters.in_range():
        raise BlobError()
    return parameters
