"""`strongroom keys`, `lock` and `unlock`, as an operator on the host runs them."""

from __future__ import annotations

import json

import pytest

from tests.cli.operators.conftest import Run
from tests.support.rotating import open_everything
from tests.support.vaults import HOST, add_environment, add_person, opened_again, run_sql
from vault.services import Services


@pytest.fixture(autouse=True)
def prod(vault: Services) -> None:
    """There is something to rewrap: a person with an environment."""
    add_environment(vault, add_person(vault), "prod", A="1")


def versions(run: Run) -> list[tuple[int, str, int]]:
    result = run("keys", "status", "--format", "json")
    assert result.exit_code == 0, result.output
    return [(each["version"], each["state"], each["user_keys"]) for each in json.loads(result.stdout)["versions"]]


def test_the_story_of_a_planned_rotation(run: Run, vault: Services) -> None:
    rotated = run("keys", "rotate")
    assert "Version 2 of the master key is active.\n2 keys still use older versions" in rotated.stderr
    assert versions(run) == [(1, "retiring", 2), (2, "active", 0)]
    told = run("keys", "rewrap", "--max-per-second", "1000").stderr
    assert "This command rewrapped 2 keys." in told
    assert "2 keys are under version 2, which is active, 0 under older ones." in told
    # A worker, or an earlier run, was quicker: the answer does not look as if nothing had happened.
    once_more = run("keys", "rewrap").stderr
    assert "This command rewrapped 0 keys. Workers may have rewrapped others" in once_more
    assert "2 keys are under version 2, which is active" in once_more
    assert versions(run) == [(1, "retiring", 0), (2, "active", 2)]
    assert run("keys", "retire", "1").stderr == "Version 1 is disabled.\n"
    assert "may be destroyed in 7.0 days" in run("keys", "destroy", "1").stderr
    assert "may be destroyed from" in run("keys", "status").stdout
    assert run("keys", "destroy", "1", "--now").exit_code == 1
    for answers in ("n\n", "y\n2\n"):
        assert run("keys", "destroy", "1", "--now", answers=answers).exit_code == 1
    assert versions(run)[0] == (1, "disabled", 0)
    assert run("keys", "destroy", "1", "--now", answers="y\n1\n").exit_code == 0
    assert versions(run) == [(1, "destroyed", 0), (2, "active", 2)]
    with opened_again(vault) as again:
        assert open_everything(again) == 1


def test_a_retired_version_comes_back(run: Run) -> None:
    run("keys", "rotate")
    run("keys", "rewrap")
    run("keys", "retire", "1")
    assert run("keys", "retire", "1", "--undo").stderr == "Version 1 is enabled again.\n"
    assert versions(run)[0] == (1, "retiring", 0)


def test_a_person_s_key_and_the_system_key(run: Run, vault: Services) -> None:
    assert run("keys", "rotate", "--user", "ada").stderr == "ada has a new key.\n"
    assert run("keys", "rotate", "--system").stderr == "The vault has a new system key.\n"
    assert run("keys", "rotate", "--user", "nobody").exit_code == 1
    assert run("keys", "rotate", "--user", "ada", "--system").exit_code == 1
    with opened_again(vault) as again:
        assert open_everything(again) == 1


def test_a_reseal_is_asked_about_and_told_of(run: Run, vault: Services) -> None:
    assert "give --yes" in run("keys", "reseal").stderr
    assert run("keys", "reseal", answers="n\n").exit_code == 1
    result = run("keys", "reseal", answers="y\n")
    assert "Everything is sealed and signed with new keys" in result.stderr
    with opened_again(vault) as again:
        assert open_everything(again) == 1


def test_a_key_that_does_not_open_makes_the_command_fail_and_is_named(run: Run, vault: Services) -> None:
    [(key_id, blob)] = run_sql(vault, "SELECT id, blob FROM user_keys WHERE owner_id IS NOT NULL")
    with vault.storage.write() as unit:
        row = unit.user_keys.by_id(key_id)
        assert row is not None
        unit.user_keys.change(row, blob=blob[:-1] + bytes([blob[-1] ^ 1]))
    run("keys", "rotate")
    result = run("keys", "rewrap")
    assert result.exit_code == 1
    assert f"1 keys cannot be opened and were not moved: {key_id}." in result.stderr


def test_lock_and_unlock(run: Run, vault: Services) -> None:
    assert run("lock").stderr == "The vault is locked.\n"
    assert run("lock").stderr == "The vault was already locked.\n"
    assert "An operator has locked it" in run("doctor", "--database").stdout
    assert run("unlock").stderr == "The vault is unlocked.\n"
    assert run("unlock").stderr == "The vault was not locked.\n"
    actions = [row.action for row in run_sql(vault, "SELECT action FROM audit_events ORDER BY at_us")]
    assert actions[-2:] == ["vault.lock", "vault.unlock"]


def test_a_vault_can_be_locked_while_nothing_opens_it(run: Run, vault: Services) -> None:
    vault.settings.keyring.rename(vault.settings.keyring.with_suffix(".away"))
    locked = run("lock")
    assert locked.exit_code == 0
    assert "not in the audit, because the vault cannot be opened here" in locked.stderr
    vault.settings.keyring.with_suffix(".away").rename(vault.settings.keyring)
    with vault.storage.read() as unit:
        assert vault.instance.heed_lock(unit)


@pytest.mark.parametrize("name", ["nonsense", "File", "aws-kms"])
def test_an_unknown_provider_is_refused_before_anybody_waits(run: Run, name: str) -> None:
    result = run("keys", "rotate", "--provider", name)
    assert result.exit_code == 1
    assert f"no settings for the key provider '{name}'" in result.stderr
    assert "Waiting" not in result.stderr
    assert HOST.username not in result.stderr


def test_a_provider_without_its_settings_is_refused_before_anybody_waits(run: Run) -> None:
    result = run("keys", "rotate", "--provider", "pkcs11")
    assert result.exit_code == 1
    assert "STRONGROOM_PKCS11_MODULE, which is not set" in result.stderr
    assert "Waiting" not in result.stderr
