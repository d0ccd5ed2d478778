"""Finds passwords of twelve or more characters that are easy to guess: common words, keyboard walks, sequences,
repeats, and well-known ones.

Lists of leaked passwords hold mostly short ones. The long ones among them follow a few rules, and this module has the
rules: it removes the known pieces and checks whether enough is left. What follows no rule is in the list of
`known_passwords.py`.
"""

from __future__ import annotations

import re

from vault.crypto.keyboard_walks import is_walk
from vault.crypto.known_passwords import LEET, is_known

WORDS = (
    "abcd", "access", "account", "admin", "administrator", "alpha", "amazon", "andrea", "angel", "apple", "april",
    "august", "autumn", "babygirl", "baseball", "basketball", "batman", "beautiful", "bitcoin", "bonjour", "butterfly",
    "changeme", "changeit", "charlie", "cheese", "chocolate", "christmas", "cloud", "company", "computer", "cookie",
    "correct", "battery", "staple", "cowboys", "database", "december", "default", "demo", "diamond", "docker",
    "dragon", "england", "enter", "facebook", "family", "february", "flower", "football", "forever", "freedom",
    "friday", "friends", "fuckyou", "google", "guest", "hacker", "hallo", "hannah", "happy", "harley", "hello",
    "hockey", "horse", "hunter", "iloveyou", "instagram", "internet", "january", "jasmine", "jennifer", "jessica",
    "jesus", "jordan", "july", "june", "justin", "killer", "letmein", "linux", "liverpool", "login", "london",
    "loveme", "lovely", "loveyou", "manager", "march", "master", "matrix", "michael", "michelle", "microsoft",
    "monday", "money", "monkey", "mother", "mustang", "mynameis", "mypassword", "naruto", "nicole", "ninja",
    "november", "october", "office", "operator", "oracle", "orange", "pa55word", "passphrase", "password", "passwort",
    "pass", "peanut", "pepper", "pokemon", "postgres", "princess", "private", "purple", "qazwsx", "qwerty", "qwertz",
    "azerty", "rainbow", "root", "samsung", "saturday", "secret", "secure", "security", "september", "server",
    "service", "shadow", "soccer", "spring", "starwars", "strongroom", "summer", "sunday", "sunshine",
    "super", "superman", "superuser", "system", "temp", "temporary", "test", "testing", "thursday", "tigger",
    "trustno", "tuesday", "user", "username", "vault", "wednesday", "welcome", "whatever", "winter", "wizard",
    "word", "zxcvbn",
)  # fmt: skip

_WALKS = (
    "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn",
    "01234567890", "abcdefghijklmnopqrstuvwxyz", "!@#$%^&*()", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "qazwsxedcrfvtgbyhnujmikolp", "1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0", "a1b2c3d4e5f6g7h8i9",
)  # fmt: skip

WALK_CHARACTERS = 4
"""Four neighbouring keys are a keyboard walk. Three appear in many real words."""

DISTINCT_CHARACTERS = 5
UNIT_CHARACTERS = 11
"""A password that is repeated must be one by itself, so a shorter text than the shortest password is a unit."""

DIGITS_ONLY_CHARACTERS = 20
"""A password of fewer digits than this, without other characters, is a telephone number, a date or a card number."""

LETTERS_LEFT = 4
MARKS_LEFT = 8
"""A known word with fewer than four other letters and fewer than eight different digits and marks is easy to guess."""


def is_guessable(folded: str) -> bool:
    """Report whether a password, already case-folded, has little in it except known pieces."""
    if len(set(folded)) < DISTINCT_CHARACTERS or _repeats(folded):
        return True
    if folded.isdigit() and len(folded) < DIGITS_ONLY_CHARACTERS:
        return True
    if is_walk(folded) or is_known(folded):
        return True
    # Remove walks first: reading their digits as letters would hide them.
    without_walks = _WALK_PATTERN.sub(" ", folded)
    walked = without_walks != folded
    return any(_is_decorated(text, walked) for text in (without_walks, without_walks.translate(LEET)))


def _repeats(text: str) -> bool:
    """Report whether the text repeats one unit of up to eleven characters. The last repeat may be cut."""
    return any(
        (text[:size] * (len(text) // size + 1)).startswith(text)
        for size in range(1, min(UNIT_CHARACTERS, len(text) // 2) + 1)
    )


def _is_decorated(text: str, walked: bool) -> bool:
    """Report whether the text is a known word (or had a keyboard walk) with few other characters."""
    left_over = _WORD_PATTERN.sub(" ", text)
    if left_over == text and not walked:
        return False
    letters = sum(character.isalpha() for character in left_over)
    marks = {character for character in left_over if not character.isalpha() and not character.isspace()}
    return letters < LETTERS_LEFT and len(marks) < MARKS_LEFT


def _pieces_of_walks() -> set[str]:
    pieces: set[str] = set()
    for walk in (*_WALKS, *(walk[::-1] for walk in _WALKS)):
        pieces.update(walk[start : start + WALK_CHARACTERS] for start in range(len(walk) - WALK_CHARACTERS + 1))
    return pieces


def _any_of(pieces: set[str]) -> str:
    # Try longer pieces first. Otherwise "pass" would match and leave "word" behind.
    return "|".join(re.escape(piece) for piece in sorted(pieces, key=lambda piece: (-len(piece), piece)))


_WORD_PATTERN = re.compile(_any_of(set(WORDS)))
_WALK_PATTERN = re.compile(_any_of(_pieces_of_walks()))
