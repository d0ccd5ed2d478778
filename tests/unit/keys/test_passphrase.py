"""The keyring under a passphrase: what opens it, what does not, and what it costs."""

from __future__ import annotations

import base64
import json
import unicodedata
import uuid
from pathlib import Path
from typing import Any

import argon2.low_level
import pytest

from tests.support.passwords import FLOOR
from vault.crypto.password import PasswordParameters
from vault.errors import KeyProviderUnavailable, KeyringError
from vault.keys import FileProvider
from vault.keys.passphrase import PassphraseProvider
from vault.settings import load

INSTANCE, OTHER_INSTANCE = (str(uuid.uuid4()) for _ in range(2))
PASSPHRASE = "lantern gravel ninefold otter"
SECRET = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keyring" / "master.passphrase.json"


@pytest.fixture
def provider(path: Path) -> PassphraseProvider:
    return PassphraseProvider.create(path, INSTANCE, PASSPHRASE, FLOOR)


def change(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_by_default_a_guess_costs_256_mib_three_passes_and_four_lanes(path: Path) -> None:
    ref = PassphraseProvider.create(path, INSTANCE, PASSPHRASE).create_version()
    lock = json.loads(path.read_text())["argon2id"]
    assert (lock["memory_kib"], lock["passes"], lock["lanes"]) == (262144, 3, 4)
    PassphraseProvider(path, INSTANCE, PASSPHRASE).wrap(ref, SECRET, b"place")


def test_what_it_wraps_is_unwrapped_by_another_process_that_opens_it_later(
    provider: PassphraseProvider, path: Path
) -> None:
    ref = provider.create_version()
    wrapped = provider.wrap(ref, SECRET, b"place")
    assert PassphraseProvider(path, INSTANCE, PASSPHRASE).unwrap(ref, wrapped, b"place") == SECRET


def test_a_version_made_elsewhere_is_seen_without_the_passphrase_again(
    provider: PassphraseProvider, path: Path
) -> None:
    other = PassphraseProvider(path, INSTANCE, PASSPHRASE)
    ref = provider.create_version()
    assert other.unwrap(ref, provider.wrap(ref, SECRET, b""), b"") == SECRET


def test_the_key_does_not_stand_in_the_file(provider: PassphraseProvider, path: Path) -> None:
    ref = provider.create_version()
    key = provider._versions()[ref].key
    text = path.read_text()
    assert base64.b64encode(key).decode() not in text
    assert ref not in text
    assert PASSPHRASE not in text


def test_another_passphrase_does_not_open_it_and_the_sentence_says_so(path: Path, provider: PassphraseProvider) -> None:
    with pytest.raises(KeyringError, match="The passphrase does not open the keyring") as caught:
        PassphraseProvider(path, INSTANCE, "lantern gravel ninefold badger")
    assert "badger" not in str(caught.value)


def test_attack_27_the_passphrase_in_nfc_and_in_nfd_is_the_same(path: Path) -> None:
    words = "Käse Öl Ünal Brücke"
    ref = PassphraseProvider.create(path, INSTANCE, unicodedata.normalize("NFD", words), FLOOR).create_version()
    composed = unicodedata.normalize("NFC", words)
    PassphraseProvider(path, INSTANCE, composed).wrap(ref, SECRET, b"")


@pytest.mark.parametrize(
    "changes",
    [
        {"memory_kib": 4 * 1024 * 1024},
        {"memory_kib": 8},
        {"memory_kib": True},
        {"memory_kib": 262144.0},
        {"passes": 1000},
        {"lanes": 255},
        {"salt": base64.b64encode(bytes(4096)).decode()},
    ],
)
def test_attack_12_parameters_out_of_range_are_refused_before_any_memory_is_taken(
    provider: PassphraseProvider, path: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = json.loads(path.read_text())["argon2id"]
    change(path, argon2id={**lock, **changes})
    monkeypatch.setattr(argon2.low_level, "hash_secret_raw", lambda *_, **__: pytest.fail("Memory was taken."))
    with pytest.raises(KeyringError, match=r"does not accept"):
        PassphraseProvider(path, INSTANCE, PASSPHRASE)


@pytest.mark.parametrize(
    "changes", [{"argon2id": None}, {"argon2id": {"salt": ""}}, {"sealed": "%"}, {"sealed": 1}, {"instance": []}]
)
def test_a_file_that_strongroom_did_not_write_so_is_refused_with_a_sentence(
    provider: PassphraseProvider, path: Path, changes: dict[str, Any]
) -> None:
    change(path, **changes)
    with pytest.raises(KeyringError):
        PassphraseProvider(path, INSTANCE, PASSPHRASE)


def test_each_part_of_the_file_that_is_changed_keeps_it_shut(provider: PassphraseProvider, path: Path) -> None:
    provider.create_version()
    document = json.loads(path.read_text())
    sealed = bytearray(base64.b64decode(document["sealed"]))
    sealed[-1] ^= 1
    salt = base64.b64encode(bytes(16)).decode()
    for changes in (
        {"sealed": base64.b64encode(sealed).decode()},
        {"argon2id": {**document["argon2id"], "salt": salt}},
        {"argon2id": {**document["argon2id"], "passes": 3}},
    ):
        path.write_text(json.dumps({**document, **changes}))
        with pytest.raises(KeyringError):
            PassphraseProvider(path, INSTANCE, PASSPHRASE)


def test_another_vault_s_keyring_is_refused_also_where_its_label_is_changed(
    provider: PassphraseProvider, path: Path
) -> None:
    with pytest.raises(KeyringError, match="belongs to another vault"):
        PassphraseProvider(path, OTHER_INSTANCE, PASSPHRASE)
    change(path, instance=OTHER_INSTANCE)
    with pytest.raises(KeyringError, match="does not open"):
        PassphraseProvider(path, OTHER_INSTANCE, PASSPHRASE)


def test_a_format_of_a_later_release_is_refused(provider: PassphraseProvider, path: Path) -> None:
    change(path, format=2)
    with pytest.raises(KeyringError, match="format 2"):
        PassphraseProvider(path, INSTANCE, PASSPHRASE)


def test_a_plain_keyring_is_not_taken_for_one_under_a_passphrase(path: Path) -> None:
    FileProvider.create(path, INSTANCE)
    with pytest.raises(KeyringError, match="damaged"):
        PassphraseProvider(path, INSTANCE, PASSPHRASE)


def test_a_keyring_that_was_sealed_anew_asks_for_a_restart(provider: PassphraseProvider, path: Path) -> None:
    path.unlink()
    PassphraseProvider.create(path, INSTANCE, PASSPHRASE, FLOOR)
    with pytest.raises(KeyringError, match="Restart"):
        provider.probe()


@pytest.mark.parametrize("weak", ["", "short", "password1234", "x" * 1025, "\ud800" + "x" * 20])
def test_a_passphrase_that_is_none_makes_no_keyring(path: Path, weak: str) -> None:
    with pytest.raises(KeyringError):
        PassphraseProvider.create(path, INSTANCE, weak, FLOOR)
    assert not path.exists()


def test_an_existing_keyring_is_never_replaced(provider: PassphraseProvider, path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(KeyringError, match="never replaces"):
        PassphraseProvider.create(path, INSTANCE, PASSPHRASE, FLOOR)
    assert path.read_bytes() == before


def test_attack_11_a_keyring_that_others_can_read_is_refused(provider: PassphraseProvider, path: Path) -> None:
    path.chmod(0o644)
    with pytest.raises(KeyringError, match="open to other users"):
        PassphraseProvider(path, INSTANCE, PASSPHRASE)


def test_without_memory_it_says_so_and_may_be_asked_again(
    provider: PassphraseProvider, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: object, **__: object) -> bytes:
        raise argon2.exceptions.HashingError("Memory allocation error")

    monkeypatch.setattr(argon2.low_level, "hash_secret_raw", none_left)
    with pytest.raises(KeyProviderUnavailable, match="19 MiB"):
        PassphraseProvider(path, INSTANCE, PASSPHRASE)


def test_its_file_lies_beside_the_file_provider_s_and_is_another() -> None:
    found = load({"STRONGROOM_KEYRING": "/k/master.json", "HOME": "/"})
    assert PassphraseProvider.place(found) == Path("/k/master.passphrase.json")


def test_the_floor_of_these_tests_is_one_that_the_provider_accepts() -> None:
    assert PasswordParameters(19 * 1024, 2, 1) == FLOOR
