"""Passwords: Argon2id at the floor's cost, so that the tests are quick."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from argon2 import low_level
from argon2.exceptions import VerificationError
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from tests.support.passwords import FLOOR
from vault.crypto import (
    PasswordParameters,
    check_new_password,
    dummy_hash,
    hash_password,
    needs_rehash,
    verify_password,
)
from vault.crypto.password import DEFAULT
from vault.errors import BlobError, InvalidInput, Unavailable

PASSWORD = "tulip ceiling marmot"
PHC = hash_password(PASSWORD, FLOOR)
SALT, HASH = PHC.split("$")[4:]
VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "argon2.json").read_text(encoding="utf-8")
)["vectors"]


def phc(kind: str = "argon2id", version: str = "v=19", cost: str = "m=19456,t=2,p=1", salt: str = SALT) -> str:
    return f"${kind}${version}${cost}${salt}${HASH}"


@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\u202f", "\u3000", "\u1680"])
def test_every_space_is_the_space_of_the_keyboard(space: str) -> None:
    typed = PASSWORD.replace(" ", space)
    assert verify_password(PHC, typed)
    assert verify_password(hash_password(typed, FLOOR), PASSWORD)
    # What is not a space of its own width stays what it is.
    assert not verify_password(PHC, PASSWORD.replace(" ", "\u200b"))


@pytest.mark.parametrize("space", ["\u00a0", "\u2009", "\u205f"])
def test_a_hash_that_an_older_release_made_of_other_spaces_stays_valid(space: str) -> None:
    typed = PASSWORD.replace(" ", space)
    old = low_level.hash_secret(
        typed.encode(), b"x" * 16, time_cost=2, memory_cost=19456, parallelism=1, hash_len=32, type=low_level.Type.ID
    ).decode()
    assert verify_password(old, typed)
    assert not verify_password(old, typed + "x")


def test_the_right_password_is_told_from_a_wrong_one() -> None:
    assert verify_password(PHC, PASSWORD)
    assert not verify_password(PHC, PASSWORD + " ")


def test_a_hash_is_a_phc_string_with_its_parameters_and_a_salt_of_its_own() -> None:
    assert re.fullmatch(r"\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}", PHC)
    assert hash_password(PASSWORD, FLOOR) != PHC


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["lanes"]))
def test_another_implementation_makes_the_written_hash_and_ours_verifies_it(vector: dict[str, Any]) -> None:
    salt, digest = (base64.b64decode(part + "==") for part in vector["phc"].split("$")[4:])
    other = Argon2id(
        salt=salt,
        length=len(digest),
        iterations=vector["passes"],
        lanes=vector["lanes"],
        memory_cost=vector["memory_kib"],
    )
    assert other.derive(vector["password"].encode()) == digest
    assert verify_password(vector["phc"], vector["password"])


def test_composed_and_decomposed_letters_are_one_password() -> None:
    assert verify_password(hash_password("Gr\u00fc\u00dfe aus Köln", FLOOR), "Gru\u0308\u00dfe aus Ko\u0308ln")


def test_letters_that_only_look_alike_are_another_password() -> None:
    # NFC and not NFKC: folding further would make guesses count for several passwords.
    assert not verify_password(hash_password("office in the hills", FLOOR), "o\ufb03ce in the hills")


@pytest.mark.parametrize("password", ["", "x" * 1025, "é" * 513, "x" * 5_000_000, "half \ud800 a pair"], ids=len)
@pytest.mark.parametrize("use", [lambda it: hash_password(it, FLOOR), lambda it: verify_password(PHC, it)])
def test_empty_oversized_and_broken_passwords_are_refused(password: str, use: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        use(password)
    assert caught.value.path == "password"


def test_1024_bytes_are_taken() -> None:
    longest = "é" * 512
    assert verify_password(hash_password(longest, FLOOR), longest)


@pytest.mark.parametrize(
    "stored",
    [
        phc(cost="m=4194304,t=2,p=1"),
        phc(cost="m=1048577,t=2,p=1"),
        phc(cost="m=99999999999,t=2,p=1"),
        phc(cost="m=19455,t=2,p=1"),
        phc(cost="m=8,t=1,p=1"),
        phc(cost="m=19456,t=1,p=1"),
        phc(cost="m=19456,t=17,p=1"),
        phc(cost="m=19456,t=2,p=0"),
        phc(cost="m=19456,t=2,p=17"),
        phc(cost="m=-19456,t=2,p=1"),
        phc(cost="m=١٩٤٥٦,t=2,p=1"),
        phc(cost="t=2,m=19456,p=1"),
        phc(cost="m=19456,t=2,p=1,keyid=AAAA"),
        phc(kind="argon2i"),
        phc(kind="argon2d"),
        phc(version="v=16"),
        phc(salt="c2hvcnQ"),
        phc(salt="A" * 200),
        phc(salt="A" * 25),
        PHC + "$",
        PHC + "\n",
        PHC + "A" * 100,
        PHC[:-30],
        "",
        "$2b$12$abcdefghijklmnopqrstuvwxyz",
    ],
    # The hashes are new in each run, and xdist wants every worker to name its tests alike.
    ids=lambda stored: f"{len(stored)} characters",
)
def test_attack_12_a_phc_string_outside_our_range_is_refused_and_nothing_allocated(
    stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(low_level, "verify_secret", lambda *_: pytest.fail("memory would have been taken"))
    with pytest.raises(BlobError):
        verify_password(stored, PASSWORD)
    with pytest.raises(BlobError):
        needs_rehash(stored, FLOOR)


def test_a_hash_moves_with_the_parameters() -> None:
    assert not needs_rehash(PHC, FLOOR)
    assert needs_rehash(PHC, PasswordParameters(19 * 1024, 3, 1))


def test_the_default_and_the_floor_are_in_range() -> None:
    assert DEFAULT.in_range()
    assert FLOOR.in_range()


def test_hashing_below_the_floor_is_an_error_of_the_programs() -> None:
    with pytest.raises(ValueError, match="range"):
        hash_password(PASSWORD, PasswordParameters(8, 1, 1))


def test_the_dummy_costs_the_same_and_is_made_once() -> None:
    assert dummy_hash(FLOOR) is dummy_hash(FLOOR)
    assert not needs_rehash(dummy_hash(FLOOR), FLOOR)
    assert not verify_password(dummy_hash(FLOOR), PASSWORD)


def test_a_server_without_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bool:
        raise VerificationError("Memory allocation error")

    monkeypatch.setattr(low_level, "verify_secret", refuse)
    with pytest.raises(Unavailable):
        verify_password(PHC, PASSWORD)


@pytest.mark.parametrize("password", [PASSWORD, "7$K9!2#x%4&1", "Zwölf Boxkämpfer!", "пароль из слов", "mQ7vR2kX9pLw"])
def test_a_good_password_is_taken(password: str) -> None:
    check_new_password(password, "marie")


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("tulip-marm", "12 characters"),
        ("e\u0301" * 11, "12 characters"),
        ("x" * 1025, "1024 bytes"),
        ("", "empty"),
        ("margarethe2", "12 characters"),
        ("I am MARGARETHE 77", "username"),
        ("ｍａｒｇａｒｅｔｈｅ blue", "username"),
        ("Password1234!", "guess"),
    ],
)
def test_a_refusal_says_why_and_where(password: str, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence) as caught:
        check_new_password(password, "Margarethe")
    assert caught.value.path == "password"


def test_a_short_username_is_only_refused_as_the_whole_password() -> None:
    check_new_password("balloon calm tide", "al")


def test_no_refusal_repeats_the_password() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_new_password("Password1234!", "marie")
    assert "Password1234!" not in str(caught.value)
