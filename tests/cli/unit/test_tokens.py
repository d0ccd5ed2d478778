"""`token`."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.cli.unit.conftest import Strongroom
from tests.unit.client.fake_transport import NEW_SESSION, TOKEN, FakeTransport, answer, page, problem
from vault.cli.people import keychain
from vault.client import Response

URL = "https://localhost:8443"
LIST = "/tokens?limit=200"


@pytest.fixture
def making(server: FakeTransport) -> FakeTransport:
    server.on("POST", "/tokens/aaaabbbbcccc/rotate", answer({**TOKEN, "secret": "srm_t_rotated"}))
    server.on("GET", LIST, page(TOKEN)).on("DELETE", "/tokens/aaaabbbbcccc", Response(204))
    return server.on("POST", "/tokens", answer({**TOKEN, "secret": "srm_t_new"}, 201))


def test_the_secret_alone_is_data(strongroom: Strongroom, making: FakeTransport) -> None:
    result = strongroom("token", "create", "web", "-e", "prod")
    assert result.stdout == "srm_t_new\n"
    assert "srm_t_new" not in result.stderr
    assert making.sent == {"name": "web", "grants": [{"environment": "prod", "permissions": ["read"]}]}


def test_grants_and_limits_are_passed_on(strongroom: Strongroom, making: FakeTransport) -> None:
    grants = ("-e", "a", "-e", "b", "--path", "team", "--globals", "--allow", "read", "--allow", "list")
    limits = (
        "--ttl",
        "30d",
        "--max-ttl",
        "90",
        "--renewable",
        "--may-rotate",
        "--uses",
        "5",
        "--network",
        "10.0.0.0/8",
    )
    assert strongroom("token", "create", "web", *grants, *limits).exit_code == 0
    allowed = {"permissions": ["read", "list"]}
    places: list[dict[str, object]] = [{"environment": "a"}, {"environment": "b"}, {"path": "team"}, {"globals": True}]
    assert making.sent == {
        "name": "web",
        "grants": [place | allowed for place in places],
        "ttl_seconds": 30 * 86400,
        "max_ttl_seconds": 90,
        "renewable": True,
        "may_rotate": True,
        "uses": 5,
        "networks": ["10.0.0.0/8"],
    }


def test_a_token_for_nothing_is_a_wrong_call(strongroom: Strongroom) -> None:
    assert strongroom("token", "create", "web").exit_code == 1


@pytest.mark.parametrize("text", ["1w", "-1", "1.5h", "", "d"])
def test_what_is_no_duration_is_refused(text: str, strongroom: Strongroom) -> None:
    result = strongroom("token", "create", "web", "-e", "a", "--ttl", text)
    assert result.exit_code == 1
    assert "not a duration" in result.stderr


def test_the_secret_goes_into_a_file_of_the_owners(strongroom: Strongroom, making: FakeTransport) -> None:
    result = strongroom("token", "create", "web", "-e", "a", "-o", "secret")
    assert "srm_t_new" not in result.output
    assert Path("secret").read_text() == "srm_t_new\n"
    assert stat.S_IMODE(Path("secret").stat().st_mode) == 0o600


def test_no_token_is_made_where_its_file_exists(strongroom: Strongroom, making: FakeTransport) -> None:
    Path("secret").write_text("mine")
    assert strongroom("token", "create", "web", "-e", "a", "-o", "secret").exit_code == 1
    assert making.requests == []


def test_all_of_it_as_json(strongroom: Strongroom, making: FakeTransport) -> None:
    found = json.loads(strongroom("token", "create", "web", "-e", "a", "--format", "json").stdout)
    assert (found["secret"], found["id"]) == ("srm_t_new", "aaaabbbbcccc")


def test_a_list_shows_what_each_is_good_for(strongroom: Strongroom, making: FakeTransport) -> None:
    named = [{**grant, "environment_name": "prod"} for grant in TOKEN["grants"]]
    making.on("GET", LIST, page({**TOKEN, "grants": named}))
    stdout = strongroom("token", "list").stdout
    assert "aaaabbbbcccc" in stdout
    assert "prod (read)" in stdout


def test_an_environment_that_is_gone_keeps_its_id_there(strongroom: Strongroom, making: FakeTransport) -> None:
    assert f"{TOKEN['grants'][0]['environment_id']} (read)" in strongroom("token", "list").stdout


@pytest.mark.parametrize("wanted", ["aaaabbbbcccc", "web"])
def test_a_token_is_found_by_id_or_name(wanted: str, strongroom: Strongroom, making: FakeTransport) -> None:
    assert strongroom("token", "rotate", wanted, "--overlap", "1h").stdout == "srm_t_rotated\n"
    assert making.sent == {"overlap_seconds": 3600}
    assert strongroom("token", "revoke", wanted).exit_code == 0
    assert making.calls[-1] == "DELETE /tokens/aaaabbbbcccc"


def test_two_tokens_of_one_name_are_not_guessed_between(strongroom: Strongroom, server: FakeTransport) -> None:
    child = {**TOKEN, "id": "ddddeeeeffff", "parent_id": "aaaabbbbcccc", "created_at": "2026-11-23T08:05:00Z"}
    server.on("GET", LIST, page({**TOKEN, "created_at": "2026-11-22T09:00:00Z"}, child))
    result = strongroom("token", "revoke", "web")
    assert result.exit_code == 1
    told = "aaaabbbbcccc (made 2026-11-22 09:00); ddddeeeeffff (made 2026-11-23 08:05, a child of aaaabbbbcccc)."
    assert told in result.stderr


def test_of_several_none_is_revoked_when_one_is_not_there(strongroom: Strongroom, making: FakeTransport) -> None:
    assert strongroom("token", "revoke", "web", "typo").exit_code == 1
    assert making.calls == [f"GET {LIST}", f"GET {LIST}"]


@pytest.mark.parametrize("call", [("create", "web", "--path", "*"), ("rotate", "web")], ids=lambda call: call[0])
def test_a_proof_is_asked_for_and_the_call_is_sent_again(
    anonymous: Strongroom, server: FakeTransport, call: tuple[str, ...]
) -> None:
    keychain.save(URL, "srm_s_old")
    refusal = problem(403, "step_up_required", "Confirm it.")
    made = answer({**TOKEN, "secret": "srm_t_new"}, 201)
    for path in ("/tokens", "/tokens/aaaabbbbcccc/rotate"):
        server.on("POST", path, refusal, made)
    server.on("GET", LIST, page(TOKEN)).on("POST", "/sessions/step-up", answer(NEW_SESSION, 201))
    result = anonymous("token", *call, answers="correct horse\n")
    assert (result.exit_code, result.stdout) == (0, "srm_t_new\n"), result.output
    assert "Confirm it." in result.stderr
    assert server.sent_headers["Authorization"] == "Bearer srm_s_secret"
    assert keychain.load(URL) == "srm_s_secret"


def test_without_a_terminal_no_proof_is_asked_for(anonymous: Strongroom, server: FakeTransport) -> None:
    keychain.save(URL, "srm_s_old")
    server.on("POST", "/tokens", problem(403, "step_up_required", "Confirm it."))
    result = anonymous("token", "create", "web", "--path", "*")
    assert (result.exit_code, keychain.load(URL)) == (2, "srm_s_old")
    assert "Confirm it." in result.stderr


def test_a_proof_of_the_environments_session_replaces_no_stored_one(
    anonymous: Strongroom, server: FakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    keychain.save(URL, "srm_s_stored")
    monkeypatch.setenv("STRONGROOM_TOKEN", "srm_s_other")
    server.on("POST", "/tokens", problem(403, "step_up_required", "Confirm it."), answer({**TOKEN, "secret": "s"}, 201))
    server.on("POST", "/sessions/step-up", answer(NEW_SESSION, 201))
    result = anonymous("token", "create", "web", "--path", "*", answers="correct horse\n")
    assert (result.exit_code, keychain.load(URL)) == (0, "srm_s_stored"), result.output
    assert "The session in STRONGROOM_TOKEN has ended" in result.stderr
