"""What the operator's commands on the host share: the keyring's passphrase, and the word about a new vault."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest

from vault.cli.operators import host
from vault.cli.words import CliError
from vault.keys import keyring_file

PASSPHRASE = "lantern gravel ninefold otter"


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A host with nothing set but where its keyring lies; at a terminal, where a prompt gets `PASSPHRASE`."""
    place = tmp_path / "keys" / "master.json"
    monkeypatch.setenv("STRONGROOM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("STRONGROOM_KEYRING", str(place))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(click, "prompt", lambda *_, **options: f"{PASSPHRASE} {options['confirmation_prompt']}")
    # The commands close what they make to others, for the whole of their process.
    before = os.umask(0o077)
    yield place
    os.umask(before)


@pytest.mark.usefixtures("keyring")
def test_a_vault_without_a_passphrase_is_not_asked_for_one() -> None:
    assert host.vault_settings().passphrase == ""


@pytest.mark.usefixtures("keyring")
def test_a_new_passphrase_is_typed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRONGROOM_KEY_PROVIDER", "passphrase")
    assert host.vault_settings().passphrase == f"{PASSPHRASE} True"


def test_one_that_a_keyring_is_under_is_typed_once_whoever_holds_new_versions(keyring: Path) -> None:
    place = keyring_file(host.settings(), "passphrase")
    assert place is not None
    place.parent.mkdir()
    place.touch()
    assert host.vault_settings().passphrase == f"{PASSPHRASE} False"


@pytest.mark.usefixtures("keyring")
def test_one_that_was_given_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRONGROOM_KEY_PROVIDER", "passphrase")
    monkeypatch.setenv("STRONGROOM_PASSPHRASE", PASSPHRASE)
    assert host.vault_settings().passphrase == PASSPHRASE


@pytest.mark.usefixtures("keyring")
def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRONGROOM_KEY_PROVIDER", "passphrase")
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert host.vault_settings().passphrase == ""


@pytest.mark.parametrize(
    ("provider", "told"),
    [("file", "master.json"), ("passphrase", "master.passphrase.json"), ("awskms", "is in awskms")],
)
@pytest.mark.usefixtures("keyring")
def test_a_new_vault_s_operator_is_told_where_its_master_key_is(
    provider: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STRONGROOM_KEY_PROVIDER", provider)
    host.tell_of_new_vault(host.settings())
    assert told in capsys.readouterr().err


@pytest.mark.usefixtures("keyring")
def test_a_vault_that_was_never_made_is_told_from_a_database_that_does_not_answer(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="There is no vault at "), host.opened_vault():
        pass
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("url", ["postgresql://ada@db/x", "sqlite://", "sqlite:///here.db"])
@pytest.mark.usefixtures("keyring")
def test_what_may_be_there_is_left_to_the_database(url: str) -> None:
    host.refuse_absent(replace(host.settings(), database_url=url))
