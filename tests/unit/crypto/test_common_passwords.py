"""What anybody would guess first is refused, and what a person or a generator makes up is not."""

from __future__ import annotations

import random
import string

import pytest

from vault.crypto.common_passwords import WORDS, is_guessable


@pytest.mark.parametrize(
    "password",
    [
        "password1234", "p@ssw0rd!2345", "passwordpassword", "summer2026!!", "welcome12345678", "iloveyou19871204",
        "correct horse battery staple", "qwertyuiop[]", "1q2w3e4r5t6y", "qwertyqwerty", "asdfghjkl123", "zaq12wsxcde3",
        "123456789012", "098765432109", "839201748362", "aaaaaaaaaaaa", "abababababab", "abcabcabcabc", "aaaabbbbcccc",
        "abcdefghijkl", "letmein letmein!", "changeme-2026", "admin@strongroom", "qwertz123456", "trustno1trustno1",
        "!@#$%^&*()_+", "monkey dragon shadow", "a1b2c3d4e5f6",
    ],
)  # fmt: skip
def test_common_ones_are_guessable(password: str) -> None:
    assert is_guessable(password)


@pytest.mark.parametrize(
    "password",
    [
        "tulip ceiling marmot", "my horse loves hay", "7$k9!2#x%4&1", "the password is in the drawer",
        "zebra-quartz-fjord", "warum liegt hier stroh", "пароль из слов", "一二三四五六七八九十甲乙",
        "83920174836254018273",
    ],
)  # fmt: skip
def test_others_are_not(password: str) -> None:
    assert not is_guessable(password)


def test_generated_passwords_are_not_refused() -> None:
    chance = random.Random(7)
    letters = string.ascii_lowercase + string.digits
    generated = ["".join(chance.choices(letters, k=16)) for _ in range(2000)]
    assert not [password for password in generated if is_guessable(password)]


def test_words_are_folded_and_named_once() -> None:
    assert len(set(WORDS)) == len(WORDS)
    assert [word for word in WORDS if word != word.casefold()] == []
