"""Bech32 (BIP 173, without its limit on length): how age writes its keys, `age1…` and `AGE-SECRET-KEY-1…`."""

from __future__ import annotations

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_CHARACTERS = 6


def decode(text: str) -> tuple[str, bytes] | None:
    """Return the prefix in lower case and the bytes, or None for anything that is not exactly Bech32."""
    lowered = text.lower()
    prefix, separator, data = lowered.rpartition("1")
    is_written_well = text in (lowered, text.upper()) and all(33 <= ord(character) <= 126 for character in text)
    if not is_written_well or not prefix or not separator or set(data) - set(_ALPHABET):
        return None
    words = [_ALPHABET.index(character) for character in data]
    if len(words) < _CHECKSUM_CHARACTERS or _checksum(prefix, words) != 1:
        return None
    found = _bytes_of(words[:-_CHECKSUM_CHARACTERS])
    return None if found is None else (prefix, found)


def _checksum(prefix: str, words: list[int]) -> int:
    high, low = [ord(character) >> 5 for character in prefix], [ord(character) & 31 for character in prefix]
    checksum = 1
    for word in [*high, 0, *low, *words]:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ word
        for position, term in enumerate(_GENERATOR):
            checksum ^= term if top >> position & 1 else 0
    return checksum


def _bytes_of(words: list[int]) -> bytes | None:
    """Return words of five bits as bytes. Fewer than five bits may be left over, and they must be zero."""
    number = 0
    for word in words:
        number = number << 5 | word
    surplus = len(words) * 5 % 8
    if surplus >= 5 or number & ((1 << surplus) - 1):
        return None
    return (number >> surplus).to_bytes(len(words) * 5 // 8, "big")
