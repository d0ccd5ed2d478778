"""`strongroom account`: who one is, another password, and the end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.unit.conftest import Strongroom
from tests.unit.client.fake_transport import MADE_TOKEN, NEW_SESSION, USER, FakeTransport, answer
from vault.cli.people import keychain
from vault.client import Response

URL = "https://localhost:8443"
REPORT: dict[str, Any] = {
    "user_id": "u1", "erased_at": "2026-11-22T09:00:00Z", "environments": 2, "revisions": 7, "user_keys": 1,
    "data_keys": 3, "sessions": 1, "tokens": 4, "audit_events": 40,
    "remains": [{"place": "backups", "until": "2026-12-06T09:00:00Z", "sentence": "Archives of before hold it."}],
}  # fmt: skip


@pytest.fixture
def accepting(server: FakeTransport) -> FakeTransport:
    server.on("GET", "/me", answer(USER)).on("PUT", "/me/password", Response(204))
    return server.on("DELETE", "/me", answer(REPORT))


def test_it_tells_who_one_is(strongroom: Strongroom, accepting: FakeTransport) -> None:
    told = json.loads(strongroom("account", "show", "--format", "json").stdout)
    assert (told[0]["username"], told[0]["role"]) == ("ada", "user")


def test_a_password_is_changed_once(strongroom: Strongroom, accepting: FakeTransport) -> None:
    done = strongroom("account", "password", answers="old canary\nnew canary\nnew canary\n")
    assert done.exit_code == 0, done.output
    assert accepting.sent == {"current_password": "old canary", "new_password": "new canary"}
    assert "canary" not in done.output
    assert strongroom("account", "password", answers="old\nnew\nother\n").exit_code == 1


def test_a_changed_password_keeps_the_new_session_and_tells_the_tokens(
    strongroom: Strongroom, server: FakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"session": {**NEW_SESSION, "secret": "srm_s_fresh"}, "tokens": [MADE_TOKEN], "tokens_ended": False}
    server.on("PUT", "/me/password", answer(told))
    keychain.save(URL, "srm_s_secret")
    done = strongroom("account", "password", answers="old\nnew\nnew\n")
    assert (done.exit_code, "STRONGROOM_TOKEN has ended" in done.stderr) == (0, True)
    assert keychain.load(URL) == "srm_s_secret"
    monkeypatch.delenv("STRONGROOM_TOKEN")
    done = strongroom("account", "password", answers="old\nnew\nnew\n")
    assert (done.exit_code, keychain.load(URL)) == (0, "srm_s_fresh"), done.output
    assert "strongroom token revoke tk1" in done.stderr
    assert "srm_s_fresh" not in done.output
    server.on("PUT", "/me/password", answer({**told, "tokens_ended": True}))
    done = strongroom("account", "password", "--tokens", answers="old\nnew\nnew\n")
    assert server.sent["end_tokens"] is True
    assert ("have ended:" in done.stderr, "token revoke" in done.stderr) == (True, False)


def test_an_older_server_ends_no_tokens_and_this_is_said(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("PUT", "/me/password", Response(204))
    done = strongroom("account", "password", "--tokens", answers="old\nnew\nnew\n")
    assert (done.exit_code, "cannot end the tokens" in done.stderr) == (0, True)


def test_an_account_is_deleted_after_its_name_was_typed(strongroom: Strongroom, accepting: FakeTransport) -> None:
    keychain.save(URL, "srm_s_secret")
    refused = strongroom("account", "delete", answers="bob\npassword\n")
    assert (refused.exit_code, "Nothing was deleted" in refused.stderr) == (1, True)
    assert strongroom("account", "delete").exit_code == 1
    assert keychain.load(URL)
    done = strongroom("account", "delete", answers="ada\nthe canary\n")
    assert done.exit_code == 0, done.output
    assert accepting.sent == {"password": "the canary"}
    assert "Remains in backups, until 2026-12-06 09:00Z: Archives of before hold it." in done.stderr
    assert "canary" not in done.output
    assert not keychain.load(URL)


def test_its_report_is_there_for_programs(strongroom: Strongroom, accepting: FakeTransport) -> None:
    done = strongroom("account", "delete", "--yes", "--password", "-", "--format", "json", stdin="p\n")
    told = json.loads(done.stdout)
    assert told == {**REPORT, "remains": REPORT["remains"]}
