"""Where a login's token rests."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from vault.cli.people import keychain
from vault.errors import SettingsError

URL, OTHER = "https://vault.test", "https://other.test"


class Backend:
    """A keychain that can be broken."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], str] = {}
        self.works = True

    def set_password(self, service: str, name: str, secret: str) -> None:
        if not self.works:
            raise RuntimeError("no backend")
        self.held[service, name] = secret

    def get_password(self, service: str, name: str) -> str | None:
        return self.held.get((service, name))

    def delete_password(self, service: str, name: str) -> None:
        del self.held[service, name]


@pytest.fixture
def backend(home: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    monkeypatch.delenv("STRONGROOM_NO_KEYCHAIN")
    found = Backend()
    monkeypatch.setitem(
        sys.modules, "keyring", SimpleNamespace(**{n: getattr(found, n) for n in dir(found) if "_p" in n})
    )
    return found


@pytest.fixture
def token_file(home: Path) -> Path:
    return home / ".local" / "state" / "strongroom" / "tokens.json"


def test_a_token_goes_into_the_keychain(backend: Backend, token_file: Path) -> None:
    assert keychain.save(URL, "srm_s_x") == "the keychain"
    assert keychain.load(URL) == "srm_s_x"
    assert not token_file.exists()
    keychain.forget(URL)
    assert keychain.load(URL) == ""


def test_a_token_goes_to_no_other_server(home: Path) -> None:
    keychain.save(URL, "srm_s_x")
    assert keychain.load(OTHER) == ""


def test_without_a_keychain_it_goes_into_a_file_of_the_owners(backend: Backend, token_file: Path) -> None:
    backend.works = False
    assert keychain.save(URL, "srm_s_x") == str(token_file)
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(token_file.parent.stat().st_mode) == 0o700
    assert keychain.load(URL) == "srm_s_x"


def test_a_keychain_that_keeps_nothing_is_not_relied_on(backend: Backend, token_file: Path) -> None:
    sys.modules["keyring"].set_password = lambda *_: None  # type: ignore[attr-defined] # a namespace stands in
    assert keychain.save(URL, "srm_s_x") == str(token_file)


def test_the_keychain_can_be_switched_off(backend: Backend, token_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRONGROOM_NO_KEYCHAIN", "1")
    keychain.save(URL, "srm_s_x")
    assert backend.held == {}
    assert token_file.exists()


def test_a_later_keychain_takes_over_from_the_file(backend: Backend, token_file: Path) -> None:
    backend.works = False
    keychain.save(URL, "srm_s_old")
    backend.works = True
    keychain.save(URL, "srm_s_new")
    assert keychain.load(URL) == "srm_s_new"
    assert "srm_s_old" not in token_file.read_text()


def test_one_server_is_forgotten_and_the_others_kept(home: Path) -> None:
    keychain.save(URL, "srm_s_x")
    keychain.save(OTHER, "srm_s_y")
    keychain.forget(URL)
    assert (keychain.load(URL), keychain.load(OTHER)) == ("", "srm_s_y")


def test_a_file_that_others_can_read_is_refused(token_file: Path) -> None:
    keychain.save(URL, "srm_s_x")
    token_file.chmod(0o644)
    with pytest.raises(SettingsError, match="can be read by others"):
        keychain.load(URL)


def test_a_link_in_the_files_place_is_refused(token_file: Path, tmp_path: Path) -> None:
    keychain.save(URL, "srm_s_x")
    token_file.rename(tmp_path / "elsewhere")
    token_file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match="cannot be opened"):
        keychain.load(URL)


def test_a_damaged_file_says_what_to_do(token_file: Path) -> None:
    keychain.save(URL, "srm_s_x")
    token_file.write_text("{")
    with pytest.raises(SettingsError, match="log in again"):
        keychain.load(URL)


def test_the_key_of_kept_values_goes_into_the_keychain_too(backend: Backend, home: Path) -> None:
    keychain.save(URL, "srm_s_x")
    keychain.save_key(URL, "key")
    assert (keychain.load(URL), keychain.load_key(URL), keychain.load_key(OTHER)) == ("srm_s_x", "key", "")
    assert not list(home.rglob("*.json"))
    keychain.forget_key(URL)
    assert (keychain.load(URL), keychain.load_key(URL)) == ("srm_s_x", "")


def test_without_a_keychain_that_key_goes_into_a_file_of_the_owners(backend: Backend, token_file: Path) -> None:
    backend.works = False
    keychain.save_key(URL, "key")
    keychain.save_key(OTHER, "other")
    file = token_file.with_name("offline-keys.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    keychain.forget_key("https://VAULT.test:443")
    assert (keychain.load_key(URL), keychain.load_key(OTHER)) == ("", "other")
    file.chmod(0o644)
    with pytest.raises(SettingsError, match="can be read by others"):
        keychain.load_key(OTHER)


SPELLINGS = ["https://VAULT.test", "https://vault.test:443", "https://vault.test.", "https://vault.test.:443"]


@pytest.mark.parametrize("spelled", SPELLINGS)
def test_another_spelling_of_the_address_has_the_same_token(spelled: str, backend: Backend) -> None:
    for works in (True, False):
        backend.works = works
        keychain.save(spelled, "srm_s_x")
        assert keychain.load(URL) == "srm_s_x"
        keychain.save(URL, "srm_s_y")
        assert keychain.load(spelled) == "srm_s_y"
        keychain.forget(spelled)
        assert keychain.load(URL) == ""
        assert backend.held == {}


@pytest.mark.parametrize("spelled", SPELLINGS[1:])
def test_a_keychain_of_an_older_release_is_found_by_the_usual_spellings(spelled: str, backend: Backend) -> None:
    backend.held["strongroom", spelled] = "srm_s_old"
    assert keychain.load(URL) == "srm_s_old"
    keychain.save(URL, "srm_s_new")
    assert backend.held == {("strongroom", URL): "srm_s_new"}


@pytest.mark.parametrize("other", ["https://vault.test:8443", "https://vault.test/b", "https://vault.test.evil"])
def test_another_address_has_another_token(other: str, backend: Backend) -> None:
    keychain.save("https://vault.test/a", "srm_s_a")
    assert keychain.load(other) == ""
    keychain.save(other, "srm_s_b")
    assert keychain.load("https://vault.test/a") == "srm_s_a"


@pytest.mark.parametrize("named", ["https://vault.test/a/b", "https://vault.test:443/a", "https://vault.test./a/"])
def test_a_token_of_a_path_above_says_that_the_server_is_known(named: str, backend: Backend) -> None:
    backend.held["strongroom", "https://vault.test/a"] = "srm_s_a"
    assert keychain.has_any_of(named)
    assert not keychain.has_any_of("https://other.test/a")
