"""`strongroom user`, as an operator on the host runs it: what takes an account away is asked about and told of."""

from __future__ import annotations

import json

import pytest

from tests.cli.operators.conftest import Run
from tests.support.vaults import (
    add_environment,
    add_person,
    add_token,
    as_session,
    as_token,
    grant,
    log_in,
    opened_again,
)
from vault.errors import NotAuthenticated, PasswordChangeRequired
from vault.model.principal import Duty, Principal, Role
from vault.services import Services


@pytest.fixture
def ada(vault: Services) -> Principal:
    made = add_person(vault)
    add_environment(vault, made, "canary-environment", CANARY_NAME="canary-value")
    add_token(vault, made, grant("read", path="*"))
    return made


def test_an_erasure_asks_for_the_name_once_more(run: Run, ada: Principal) -> None:
    refused = run("user", "erase", "ada", answers="adda\n")
    assert (refused.exit_code, "Nothing was erased" in refused.stderr) == (1, True)
    assert run("user", "erase", "ada").exit_code == 1
    assert "ada" in run("user", "list").stdout
    done = run("user", "erase", "ADA", answers="ada\n")
    assert done.exit_code == 0
    assert "The account ada was erased." in done.stderr
    assert "Remains in backups, until an unknown time" in done.stderr
    assert [line.split() for line in done.stdout.splitlines()[1:4]] == [
        ["environments", "1"], ["revisions", "1"], ["user", "keys", "1"],
    ]  # fmt: skip
    assert "ada" not in run("user", "list").stdout
    assert run("user", "erase", "ada", "--yes").exit_code == 1


def test_its_report_is_there_for_programs(run: Run, vault: Services, ada: Principal) -> None:
    done = run("user", "erase", ada.user_id, "--yes", "--format", "json")
    told = json.loads(done.stdout)
    assert (told["user_id"], told["data_keys"], told["tokens"]) == (ada.user_id, 2, 1)
    assert told["erased_at"].endswith("Z")
    assert {place["place"]: place["until"] is None for place in told["remains"]} == {
        "backups": True, "database": False, "memory": False, "audit": True,
    }  # fmt: skip
    assert "anary" not in done.output
    with opened_again(vault) as other:
        assert other.audit.verifier.verify().faults == []


@pytest.mark.parametrize(
    "call", [("disable", "root"), ("role", "root", "user"), ("erase", "root", "--yes")], ids=lambda call: call[0]
)
def test_the_last_operator_goes_with_a_warning(run: Run, vault: Services, call: tuple[str, ...]) -> None:
    add_person(vault, "root", Role.OPERATOR)
    add_person(vault, "second", Role.OPERATOR)
    assert "Warning" not in run("user", "disable", "second").stderr
    done = run("user", *call)
    assert done.exit_code == 0
    assert "Warning: there is now no active operator." in done.stderr


@pytest.mark.parametrize(
    "call", [("disable", "bob"), ("role", "bob", "user"), ("erase", "bob", "--yes")], ids=lambda call: call[0]
)
def test_no_warning_where_there_was_no_operator_before(run: Run, vault: Services, call: tuple[str, ...]) -> None:
    add_person(vault, "bob")
    done = run("user", *call)
    assert (done.exit_code, "no active operator" in done.stderr) == (0, False)


@pytest.mark.parametrize("call", [("add", "cleo"), ("passwd", "bob")], ids=lambda call: call[0])
@pytest.mark.parametrize(("typed", "told"), [("password1234", "easy to guess"), ("short", "at least"), ("", "empty")])
def test_a_password_that_is_refused_is_not_asked_for_twice(
    run: Run, vault: Services, call: tuple[str, str], typed: str, told: str
) -> None:
    add_person(vault, "bob")
    done = run("user", *call, answers=f"{typed}\n{typed}\n")
    assert (done.exit_code, told in done.stderr) == (1, True)
    assert "again" not in done.stderr
    assert "(at" not in done.stderr


def logins(run: Run) -> tuple[str, str]:
    """What the doctor says of where logins come from."""
    found = json.loads(run("doctor", "--database", "--format", "json").stdout)
    [finding] = [each for each in found if each["check"] == "logins"]
    return finding["verdict"], finding["sentence"]


def test_the_doctor_sees_a_proxy_that_is_not_named(run: Run, vault: Services) -> None:
    for name in ("ada", "bob"):
        add_person(vault, name)
    assert logins(run)[0] == "ok"
    add_person(vault, "cleo")
    verdict, sentence = logins(run)
    assert verdict == "warning"
    assert "The last 3 logins, of 3 people, all came from 192.0.2.10." in sentence
    assert "STRONGROOM_TRUSTED_PROXIES" in sentence
    log_in(vault, "ada", address="192.0.2.11")
    assert logins(run)[0] == "ok"


def test_the_doctor_says_nothing_where_a_proxy_is_named(
    run: Run, vault: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ada", "bob", "cleo"):
        add_person(vault, name)
    monkeypatch.setenv("STRONGROOM_TRUSTED_PROXIES", "192.0.2.10")
    assert logins(run)[0] == "ok"


def test_an_operator_of_a_new_vault_must_change_the_password_that_was_given(run: Run, vault: Services) -> None:
    for name, option in (("root", "--operator"), ("ada", "--generate")):
        source = () if option == "--generate" else ("--generate",)
        assert run("user", "add", name, option, *source).exit_code == 0
    run("user", "role", "ada", "operator")
    with opened_again(vault) as other:
        for name in ("root", "ada"):
            who = as_session(other, log_in(other, name).secret)
            assert who.duties == (Duty.PASSWORD,)
            with pytest.raises(PasswordChangeRequired):
                who.require_operator()


def test_sessions_are_ended_by_name(run: Run, vault: Services, ada: Principal) -> None:
    secret = log_in(vault, "ada").secret
    assert "2 active sessions of ada have ended." in run("user", "end-sessions", "ada").stderr
    with opened_again(vault) as other, pytest.raises(NotAuthenticated):
        as_session(other, secret)
    assert "0 active sessions" in run("user", "end-sessions", "ada").stderr
    assert run("user", "end-sessions", "nobody").exit_code == 1


def test_the_tokens_of_the_sessions_are_named_and_end_if_it_is_wished(
    run: Run, vault: Services, ada: Principal
) -> None:
    token = add_token(vault, ada, grant("read", path="*"))
    told = run("user", "end-sessions", "ada").stderr
    assert (token.id in told, "still work" in told, "--tokens" in told) == (True, True, True)
    with opened_again(vault) as other:
        as_token(other, token.secret)
    told = run("user", "end-sessions", "ada", "--tokens").stderr
    assert (token.id in told, "have ended:" in told) == (True, True)
    with opened_again(vault) as other, pytest.raises(NotAuthenticated):
        as_token(other, token.secret)
    assert "end-sessions --tokens" in run("user", "passwd", "ada", "--generate").stderr
