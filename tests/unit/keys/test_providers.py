"""Choosing a provider: by settings, made when first asked for, with a sentence for what is missing."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.support.passwords import FLOOR
from tests.support.patience import HANG_SECONDS
from vault import keys
from vault.app import prepare_vault
from vault.errors import KeyProviderError, KeyringError, SettingsError
from vault.keys import PROVIDERS, Guarded, Keyring, Providers, keyring_file
from vault.keys.provider import ProviderClass
from vault.settings import Settings, load

INSTANCE = str(uuid.uuid4())
PASSPHRASE = "lantern gravel ninefold otter"


def settings(tmp_path: Path, **given: str) -> Settings:
    places = {"DATA_DIR": str(tmp_path / "data"), "KEYRING": str(tmp_path / "keys" / "master.json")}
    return load({f"STRONGROOM_{name}": value for name, value in {**places, **given}.items()})


ROOM = Path(keys.__file__).parent


@pytest.mark.parametrize("path", sorted(ROOM.glob("*.py")), ids=lambda path: path.stem)
def test_every_class_that_is_made_from_settings_is_registered(path: Path) -> None:
    module = importlib.import_module(f"vault.keys.{path.stem}" if path.stem != "__init__" else "vault.keys")
    made = [
        item
        for item in vars(module).values()
        if inspect.isclass(item) and hasattr(item, "from_settings") and not inspect.isabstract(item)
        if item.__module__ == module.__name__ and item is not ProviderClass
    ]
    strangers = set(made) - {choice.load() for choice in PROVIDERS.values()}
    assert not strangers, (
        f"Add to `PROVIDERS` in vault/keys/providers.py: {strangers}. See docs/contributing/to-add.md."
    )


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_is_registered_by_its_name_and_its_extra_by_the_same(name: str) -> None:
    assert PROVIDERS[name].load().name == name
    if PROVIDERS[name].packages:
        assert f"\n{name} =\n" in (ROOM.parents[1] / "setup.cfg").read_text()


@pytest.mark.parametrize("name", ["file", "passphrase"])
def test_a_beginning_makes_a_keyring_once_and_goes_on_with_what_a_crash_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("vault.keys.passphrase.COST", FLOOR)
    found = settings(tmp_path, PASSPHRASE=PASSPHRASE)
    for _ in range(2):
        providers = Providers(found, INSTANCE)
        providers.begin(name)
        assert providers[name].create_version()
    with pytest.raises(KeyringError, match=r"another vault|other vault|belongs"):
        Keyring(str(uuid.uuid4()), Providers(found, str(uuid.uuid4()))).create_version(name, first=True)


def test_a_provider_is_made_once_and_guarded(tmp_path: Path) -> None:
    providers = Providers(settings(tmp_path), INSTANCE)
    made = providers.found("file")
    assert isinstance(made, Guarded)
    assert providers["file"] is made


def test_one_that_is_not_used_need_not_be_set_up(tmp_path: Path) -> None:
    providers = Providers(settings(tmp_path), INSTANCE)
    assert set(providers) == set(PROVIDERS)
    assert len(providers) == len(PROVIDERS)
    providers.found("file").create_version()


def test_one_that_could_not_be_made_is_tried_again(tmp_path: Path) -> None:
    providers = Providers(settings(tmp_path), INSTANCE)
    with pytest.raises(KeyringError, match="missing"):
        _ = providers["file"]
    Providers(settings(tmp_path), INSTANCE).found("file")
    assert providers["file"].name == "file"


def test_a_name_that_no_provider_has_is_a_key_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        _ = Providers(settings(tmp_path), INSTANCE)["cloud"]


def test_a_beginning_never_replaces_a_keyring(tmp_path: Path) -> None:
    Providers(settings(tmp_path), INSTANCE).found("file")
    with pytest.raises(KeyringError, match="never replaces"):
        Providers(settings(tmp_path), INSTANCE).found("file")


def test_no_two_keep_the_same_file_on_this_machine(tmp_path: Path) -> None:
    found = {name: keyring_file(settings(tmp_path), name) for name in PROVIDERS}
    kept = {name: path for name, path in found.items() if path}
    assert {"file", "passphrase"} <= set(kept)
    assert not {"awskms", "pkcs11", "transit"} & set(kept)
    assert len(set(kept.values())) == len(kept)


@pytest.mark.parametrize(
    ("name", "given", "missing"),
    [
        ("passphrase", {}, "STRONGROOM_PASSPHRASE_FILE"),
        ("pkcs11", {}, "STRONGROOM_PKCS11_MODULE"),
        ("pkcs11", {"PKCS11_MODULE": __file__}, "STRONGROOM_PKCS11_TOKEN"),
        ("pkcs11", {"PKCS11_MODULE": __file__, "PKCS11_TOKEN": "t"}, "STRONGROOM_PKCS11_PIN"),
        ("transit", {}, "STRONGROOM_TRANSIT_URL"),
        ("transit", {"TRANSIT_URL": "https://transit.example"}, "STRONGROOM_TRANSIT_TOKEN"),
        ("transit", {"TRANSIT_URL": "https://h", "TRANSIT_TOKEN_FILE": "/nowhere"}, "STRONGROOM_TRANSIT_TOKEN_FILE"),
        ("transit", {"TRANSIT_URL": "https://h", "TRANSIT_TOKEN": "t", "TRANSIT_CA_FILE": "/nowhere"}, "CA_FILE"),
    ],
)
def test_a_setting_that_it_needs_is_named(tmp_path: Path, name: str, given: dict[str, str], missing: str) -> None:
    with pytest.raises((KeyProviderError, SettingsError), match=missing):
        _ = Providers(settings(tmp_path, **given), INSTANCE)[name]


def test_transit_reads_its_token_from_the_file_each_time(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s.first\n")
    given = {"TRANSIT_URL": "https://transit.example", "TRANSIT_TOKEN_FILE": str(token)}
    provider: Any = PROVIDERS["transit"].load().from_settings(settings(tmp_path, **given), INSTANCE)
    token.write_text("s.second\n")
    assert provider._server._renewed()
    assert not provider._server._renewed()


def run(program: str, *arguments: str) -> str:
    words = [sys.executable, "-c", program, *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=HANG_SECONDS).stdout.strip()


def test_optional_packages_are_not_imported_until_they_are_chosen() -> None:
    program = "import sys, vault.app, vault.keys; print({'boto3', 'botocore', 'pkcs11', 'argon2'} & set(sys.modules))"
    assert run(program) == "set()"


@pytest.mark.parametrize(("name", "package"), [("awskms", "boto3"), ("pkcs11", "pkcs11")])
def test_a_missing_package_is_named_with_what_to_type(tmp_path: Path, name: str, package: str) -> None:
    program = """
import sys
sys.modules[sys.argv[2]] = None
from vault.errors import KeyProviderError
from vault.keys import PROVIDERS
from vault.settings import load
try:
    PROVIDERS[sys.argv[1]].load().from_settings(load({"HOME": sys.argv[3]}), "")
except KeyProviderError as error:
    print(error)
"""
    assert run(program, name, package, str(tmp_path)).endswith(f"pip install 'strongroom[{name}]'.")


# -- The settings themselves -------------------------------------------------------------------------------------


def test_a_provider_that_there_is_not_is_refused_with_the_names(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=", ".join(PROVIDERS)):
        Providers(settings(tmp_path, KEY_PROVIDER="cloud"), INSTANCE)
    with pytest.raises(SettingsError, match=", ".join(PROVIDERS)):
        prepare_vault(settings(tmp_path, KEY_PROVIDER="cloud"))
    assert not (tmp_path / "data").exists()


def test_the_passphrase_and_the_pin_may_come_from_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSPHRASE}\n")
    found = settings(tmp_path, PASSPHRASE_FILE=str(secret), PKCS11_PIN_FILE=str(secret))
    assert (found.passphrase, found.pkcs11_pin) == (PASSPHRASE, PASSPHRASE)


def test_the_passphrase_may_be_a_credential_of_systemd(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text(f"{PASSPHRASE}\n")
    environ = {"HOME": str(tmp_path), "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert load(environ).passphrase == PASSPHRASE
    with pytest.raises(SettingsError, match="both set"):
        load({**environ, "STRONGROOM_PASSPHRASE": "another"})


def test_other_credentials_are_nobody_s_passphrase(tmp_path: Path) -> None:
    assert load({"HOME": str(tmp_path), "CREDENTIALS_DIRECTORY": str(tmp_path)}).passphrase == ""


def test_a_token_for_transit_given_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TRANSIT_TOKEN"):
        settings(tmp_path, TRANSIT_TOKEN="a", TRANSIT_TOKEN_FILE="/b")


def test_no_secret_is_in_the_repr_of_the_settings(tmp_path: Path) -> None:
    found = settings(tmp_path, PASSPHRASE="canary1", PKCS11_PIN="canary2", TRANSIT_TOKEN="canary3")
    assert "canary" not in repr(found)
