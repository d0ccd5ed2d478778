"""Passwords: Argon2id hashes as PHC strings, and the rules for new passwords.

A PHC string itself states how much memory its check takes. It is stored sealed, and its parameters must be in our
range before any memory is allocated. `argon2` is imported where it is used because the SDK imports this package in
installations that have no server and no `argon2`.
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
"""Argon2 version 1.3, which RFC 9106 writes as 0x13. No other version has been in use since 2016."""

# The minimum is OWASP's second recommendation for Argon2id (19 MiB, t=2, p=1), 2026. The maximum limits the cost of
# one login.
MEMORY_RANGE_KIB = (19 * 1024, 1024 * 1024)
PASSES_RANGE = (2, 16)
LANES_RANGE = (1, 16)

# Salts of 16 to 64 bytes and hashes of 32 to 64 bytes, in base64 without padding.
_PHC = re.compile(
    r"\$argon2id\$v=(\d{1,3})\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{22,86})\$([A-Za-z0-9+/]{43,86})",
    re.ASCII,
)
_SPACES = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
"""All characters of Unicode's category Zs but U+0020."""

_NO_MEMORY = "The server has no memory for a password check now. Try again later."
_TOO_LONG = f"A password has at most {MAXIMUM_BYTES} bytes."

_USERNAME_WORTH_SEEKING_CHARACTERS = 4


@dataclass(frozen=True, slots=True)
class PasswordParameters:
    """The cost of one guess: memory in KiB, passes over it, and parallel lanes."""

    memory_kib: int
    passes: int
    lanes: int

    def in_range(self) -> bool:
        """Report whether this vault accepts these parameters."""
        given = (self.memory_kib, self.passes, self.lanes)
        ranges = (MEMORY_RANGE_KIB, PASSES_RANGE, LANES_RANGE)
        return all(low <= number <= high for number, (low, high) in zip(given, ranges, strict=True))


DEFAULT = PasswordParameters(memory_kib=64 * 1024, passes=3, lanes=1)


def hash_password(password: str, parameters: PasswordParameters) -> str:
    """Return the PHC string of a password. Raises `InvalidInput` if it is empty or over 1,024 bytes."""
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
        raise Unavailable(_NO_MEMORY) from error
    return phc.decode("ascii")


def slow_digest(data: bytes, salt: bytes, parameters: PasswordParameters) -> bytes:
    """Return an Argon2id digest of secret data, as costly to guess from as a password hash; `salt` has 16 bytes.

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
        raise Unavailable(_NO_MEMORY) from error


def verify_password(phc: str, password: str) -> bool:
    """Report whether the password matches. Raises `BlobError`, before any memory is allocated, for a foreign PHC
    string.

    Raises `InvalidInput` for text that could never be a password.
    """
    from argon2 import exceptions, low_level

    parameters_of(phc)
    # Releases before 0.3.0 hashed the spaces as they were typed.
    for raw in dict.fromkeys((_encode(password), _normalised(password))):
        try:
            return low_level.verify_secret(phc.encode("ascii"), raw, low_level.Type.ID)
        except exceptions.VerifyMismatchError:
            continue
        except exceptions.VerificationError as error:
            raise Unavailable(_NO_MEMORY) from error
    return False


def is_same_password(one: str, other: str) -> bool:
    """Report whether two texts are the same password. Raises `InvalidInput` for text that could never be one."""
    return _encode(one) == _encode(other)


def needs_rehash(phc: str, parameters: PasswordParameters) -> bool:
    """Report whether a PHC string has parameters other than these. Raises `BlobError` as `verify_password` does."""
    return parameters_of(phc) != parameters


def check_new_password(password: str, username: str) -> None:
    """Raise `InvalidInput`, with the path `password`, if this may not become a password."""
    _encode(password)
    if len(unicodedata.normalize("NFC", password)) < MINIMUM_CHARACTERS:
        raise InvalidInput(f"A password needs at least {MINIMUM_CHARACTERS} characters.", path="password")
    folded, name = _fold(password), _fold(username)
    if folded == name or (len(name) >= _USERNAME_WORTH_SEEKING_CHARACTERS and name in folded):
        raise InvalidInput("The password must not contain the username.", path="password")
    if is_guessable(folded):
        raise InvalidInput("This password is easy to guess. Use several unrelated words.", path="password")


@lru_cache(maxsize=8)
def dummy_hash(parameters: PasswordParameters) -> str:
    """Return a PHC string that no password matches. Checking it makes a login of an unknown user cost the same.

    The hash is random bytes: computing one would make the first unknown name slower than the second.
    """
    costs = f"m={parameters.memory_kib},t={parameters.passes},p={parameters.lanes}"
    salt, chance = (
        base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (SALT_BYTES, HASH_BYTES)
    )
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${chance}"


def _encode(password: str) -> bytes:
    """Return the password as UTF-8 in the form of RFC 8265, section 4.2.2: every space is U+0020, then NFC.

    So the same typing gives the same bytes on every system. A Mac's keyboard makes a no-break space with Option.
    """
    return _normalised(_SPACES.sub(" ", password))


def _normalised(password: str) -> bytes:
    """Return the password in NFC as UTF-8."""
    # Normalising takes time, so check the raw length first. NFC shortens a text to no less than a third.
    if not password:
        raise InvalidInput("A password must not be empty.", path="password")
    if len(password) > 4 * MAXIMUM_BYTES:
        raise InvalidInput(_TOO_LONG, path="password")
    try:
        raw = unicodedata.normalize("NFC", password).encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInput(
            "The password contains half of a surrogate pair, which is not valid text.", path="password"
        ) from None
    if len(raw) > MAXIMUM_BYTES:
        raise InvalidInput(_TOO_LONG, path="password")
    return raw


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def parameters_of(phc: str) -> PasswordParameters:
    """Return the cost that a PHC string states. Raises `BlobError` for a foreign one."""
    match = _PHC.fullmatch(phc)
    if match is None or int(match[1]) != ARGON2_VERSION:
        raise BlobError()
    # No base64 text has 4n+1 characters.
    if any(len(text) % 4 == 1 for text in (match[5], match[6])):
        raise BlobError()
    parameters = PasswordParameters(int(match[2]), int(match[3]), int(match[4]))
    if not parameters.in_range():
        raise BlobError()
    return parameters
