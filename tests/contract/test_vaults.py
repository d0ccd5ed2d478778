"""A whole vault on each provider: made, opened by another worker, read; and refused where its keys are not at hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from tests.conftest import KINDS, FreshDatabase, Kind
from tests.contract.makers import PASSPHRASE, REGION
from tests.contract.softhsm import PIN, soft_hsm
from tests.contract.transit_server import TOKEN, transit_server
from tests.support.passwords import FLOOR
from tests.support.patience import HANG_SECONDS
from tests.support.vaults import (
    add_environment,
    add_person,
    add_token,
    as_token,
    grant,
    make_settings,
    make_vault,
    values,
)
from vault import app
from vault.app import open_vault, prepare_vault, stored_schema
from vault.errors import KeyProviderError, KeyringError, StorageError
from vault.keys import PROVIDERS, keyring_file
from vault.keys import passphrase as passphrase_room
from vault.keys.guard import Guarded, Limits
from vault.services import Services
from vault.services.keys import founding
from vault.settings import Settings
from vault.storage import is_missing


def _awskms(stack: ExitStack, folder: Path) -> dict[str, Any]:
    patch = stack.enter_context(pytest.MonkeyPatch.context())
    patch.setenv("AWS_ACCESS_KEY_ID", "test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    stack.enter_context(mock_aws())
    return {"aws_kms_region": REGION}


def _pkcs11(stack: ExitStack, folder: Path) -> dict[str, Any]:
    token = stack.enter_context(soft_hsm(folder / "softhsm"))
    return {"pkcs11_module": Path(token.module), "pkcs11_token": token.label, "pkcs11_pin": PIN}


def _transit(stack: ExitStack, folder: Path) -> dict[str, Any]:
    server = stack.enter_context(transit_server(folder / "transit"))
    return {"transit_url": server.url, "transit_token": TOKEN, "transit_ca_file": server.ca_file}


SETTINGS: dict[str, Callable[[ExitStack, Path], dict[str, Any]]] = {
    "file": lambda *_: {},
    "passphrase": lambda *_: {"passphrase": PASSPHRASE},
    "awskms": _awskms,
    "pkcs11": _pkcs11,
    "transit": _transit,
}

NEED_NO_SETTINGS = {"file", "awskms"}
"""These work as they are, or find what they need in the environment."""


@pytest.fixture(autouse=True)
def _cheaper(monkeypatch: pytest.MonkeyPatch) -> None:
    """One test elsewhere pays the passphrase's true cost."""
    monkeypatch.setattr(passphrase_room, "COST", FLOOR)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer for a key than a request would wait; tests of the guard have its budget."""
    patient = partialmethod(Guarded.__init__, limits=Limits(budget_seconds=HANG_SECONDS))
    monkeypatch.setattr(Guarded, "__init__", patient)


@pytest.fixture
def database(fresh_database: FreshDatabase) -> str:
    return fresh_database("sqlite")


@pytest.fixture(params=SETTINGS)
def chosen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Settings under which a provider works."""
    with ExitStack() as stack:
        yield {"key_provider": request.param, **SETTINGS[request.param](stack, tmp_path)}


def close(*vaults: Services) -> None:
    for vault in vaults:
        vault.storage.close()


def test_every_provider_of_ours_is_in_this_suite() -> None:
    missing, unknown = set(PROVIDERS) - set(SETTINGS), set(SETTINGS) - set(PROVIDERS)
    assert not missing, f"Add to `SETTINGS`: {missing}. See docs/contributing/to-add.md."
    assert not unknown, f"Add to `PROVIDERS` in vault/keys/providers.py: {unknown}. See docs/contributing/to-add.md."


def test_a_vault_on_it_is_made_opened_by_another_worker_and_read(
    chosen: dict[str, Any], tmp_path: Path, database: str
) -> None:
    vault = make_vault(tmp_path, database, **chosen)
    ada = add_person(vault)
    add_environment(vault, ada, "prod", A="1")
    token = add_token(vault, ada, grant("read", environment="prod"))
    another = open_vault(vault.settings)
    with vault.storage.read() as unit:
        assert {row.provider for row in unit.master_keys.list()} == {chosen["key_provider"]}
    assert values(another, as_token(another, token.secret), "prod") == {"A": "1"}
    close(vault, another)


def test_a_vault_goes_on_when_another_provider_is_chosen_for_new_versions(
    chosen: dict[str, Any], tmp_path: Path, database: str
) -> None:
    vault = make_vault(tmp_path, database, **chosen)
    other = "awskms" if chosen["key_provider"] == "file" else "file"
    reopened = open_vault(replace(vault.settings, key_provider=other))
    add_environment(reopened, add_person(reopened), "prod", A="1")
    close(vault, reopened)


def test_only_what_keeps_a_file_here_makes_one(chosen: dict[str, Any], tmp_path: Path, database: str) -> None:
    vault = make_vault(tmp_path, database, **chosen)
    made = [path.name for path in vault.settings.keyring.parent.glob("*.json")]
    place = keyring_file(vault.settings, chosen["key_provider"])
    assert made == ([place.name] if place else [])
    close(vault)


@pytest.mark.parametrize("name", ["file", "passphrase"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_database_beside_a_keyring_makes_no_vault(
    kind: Kind, name: str, tmp_path: Path, fresh_database: FreshDatabase
) -> None:
    settings = make_settings(tmp_path, fresh_database(kind, migrated=False), key_provider=name, passphrase=PASSPHRASE)
    place = keyring_file(settings, name)
    assert place is not None
    place.parent.mkdir(mode=0o700)
    place.write_text("{}")
    with pytest.raises(KeyringError, match="The database is empty"):
        prepare_vault(settings)
    assert place.read_text() == "{}"
    assert_nothing_was_made(settings)


def assert_nothing_was_made(settings: Settings) -> None:
    assert stored_schema(settings) == ""
    assert is_missing(settings.database_url) == settings.embedded


@pytest.mark.parametrize("name", [name for name in PROVIDERS if name not in NEED_NO_SETTINGS])
@pytest.mark.parametrize("kind", KINDS)
def test_a_provider_that_is_not_set_up_makes_no_vault_and_says_what_is_missing(
    kind: Kind, name: str, tmp_path: Path, fresh_database: FreshDatabase
) -> None:
    settings = make_settings(tmp_path, fresh_database(kind, migrated=False), key_provider=name)
    with pytest.raises(KeyProviderError, match="STRONGROOM_"):
        prepare_vault(settings)
    assert_nothing_was_made(settings)


def test_the_wrong_passphrase_does_not_open_the_vault(tmp_path: Path, database: str) -> None:
    vault = make_vault(tmp_path, database, key_provider="passphrase", passphrase=PASSPHRASE)
    with pytest.raises(KeyringError, match="The passphrase does not open"):
        open_vault(replace(vault.settings, passphrase="not the one at all"))
    close(vault)


@pytest.mark.parametrize("kind", KINDS)
def test_two_hosts_that_make_the_vault_at_once_make_one(
    chosen: dict[str, Any],
    tmp_path: Path,
    kind: Kind,
    fresh_database: FreshDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database = fresh_database(kind)
    hosts = [make_settings(tmp_path / name, database, **chosen) for name in ("first", "second")]
    make, barrier, outcomes = founding.create, threading.Barrier(2), dict[int, object]()

    def together(*arguments: Any) -> None:
        barrier.wait(HANG_SECONDS)
        make(*arguments)

    def prepare(number: int) -> None:
        try:
            outcomes[number] = prepare_vault(hosts[number])
        except Exception as error:
            outcomes[number] = error

    monkeypatch.setattr(app, "create", together)
    threads = [threading.Thread(target=prepare, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = [number for number, outcome in outcomes.items() if outcome is True]
    loser = 1 - winner
    place = keyring_file(hosts[loser], hosts[loser].key_provider)
    if place is None:
        assert outcomes[loser] is False
        open_vault(hosts[loser]).storage.close()
    else:
        assert isinstance(outcomes[loser], StorageError), outcomes
        assert f"Copy its keyring to {place}, then start again." in str(outcomes[loser])
        assert not place.exists()
    open_vault(hosts[winner]).storage.close()
