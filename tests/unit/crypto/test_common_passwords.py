"""What anybody would guess first is refused, and what a person or a generator makes up is not."""

from __future__ import annotations

import random
import string

import pytest

from vault.crypto.common_passwords import WORDS, is_guessable
from vault.crypto.keyboard_walks import is_walk
from vault.crypto.known_passwords import LONG_CHARACTERS, is_known, known_passwords


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


@pytest.mark.parametrize(
    "password",
    [
        # Those that the list has, also under marks, digits and l33t letters.
        "leavemealone", "needforspeed", "counterstrike", "1needf0rspeed!", "n33df0rsp33d99", "need-for-speed",
        # One common word, and two of them joined.
        "christopher1", "minecraft123", "playstation3", "liverpoolfc1", "m1necr4ft!2011", "chickenwing101",
        "peanutbutter", "superdragon2000", "michaeljordan23", "jessica.robert!!", "barcelona2010", "hello elizabeth",
        # Long words.
        "international", "professional!", "unbelievable", "philadelphia", "entertainment99",
        # Texts that repeat, with a longer unit.
        "butterfly9butterfly9", "jonathan12jonathan12",
        # Walks with turns, in columns, in turns of two, and mirrored.
        "qazxswedcvfr", "zaqwsxcderfv", "1qazxsw23edc", "qawsedrftgyh", "12qw34er56ty", "qaz123wsx456", "123qwe456rty",
        "z1x2c3v4b5n6", "qwertyytrewq", "zxcvbnmmnbvcxz", "123321qweewq", "!qazxsw2#edcvfr4",
    ],
)  # fmt: skip
def test_well_known_ones_and_walks_are_guessable(password: str) -> None:
    assert is_guessable(password)
    assert len(password) >= LONG_CHARACTERS


def test_the_rules_have_their_share_of_well_known_ones() -> None:
    assert is_known("leavemealone")
    assert is_known("superdragon2000")
    assert is_walk("qazxswedcvfr")
    assert not is_known("qazxswedcvfr")
    assert not is_walk("leavemealone")


@pytest.mark.parametrize(
    "password",
    [
        # Two common words with a third, a common word with as many digits as a password of its own, a walk that ends.
        "peanutbutter marmot", "christopher 83924657", "qazxsw marmot jelly", "leavemealonetulips", "mellow quartz jig",
        "qazxswedcvfr lantern", "trotz nebel amsel", "12qw34er marmots",
    ],
)  # fmt: skip
def test_what_goes_on_after_a_well_known_one_is_taken(password: str) -> None:
    assert not is_guessable(password)


@pytest.mark.parametrize(
    ("characters", "length"),
    [
        (string.ascii_lowercase + string.digits, 12),
        (string.ascii_letters + string.digits, 16),
        (string.ascii_lowercase, 12),
        (string.hexdigits[:16], 32),
    ],
)
def test_random_passwords_are_not_refused(characters: str, length: int) -> None:
    chance = random.Random(7)
    generated = ["".join(chance.choices(characters, k=length)).casefold() for _ in range(2000)]
    assert not [password for password in generated if is_guessable(password)]


@pytest.mark.parametrize("between", [" ", "-", ""])
def test_passphrases_of_four_words_are_not_refused(between: str) -> None:
    """Even words of the list of common ones: four of them are hard to guess."""
    chance, words = random.Random(11), sorted(known_passwords()[1] - set(WORDS))
    generated = [between.join(chance.choices(words, k=4)) for _ in range(1000)]
    refused = [password for password in generated if is_guessable(password)]
    # A word of the rules may be in one of them, and the rest be short.
    assert len(refused) <= 10, refused


def test_the_list_is_folded_sorted_and_bounded() -> None:
    long_ones, words = known_passwords()
    assert len(long_ones) > 3000
    assert len(long_ones) + len(words) <= 10_000
    assert all(text == text.casefold() and text.isascii() for text in long_ones | words)
    assert all(3 <= len(word) < LONG_CHARACTERS and word.isalpha() for word in words)


def test_words_are_folded_and_named_once() -> None:
    assert len(set(WORDS)) == len(WORDS)
    assert [word for word in WORDS if word != word.casefold()] == []
