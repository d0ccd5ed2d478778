"""`env`, and how lists are printed."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.cli.unit.conftest import Strongroom
from tests.unit.client.fake_transport import ENVIRONMENT, TOKEN, FakeTransport, answer, page, problem
from vault.client import Response
from vault.crypto import TokenKind, mint

LIST = "/environments?limit=200"


def test_a_list_is_a_table(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", LIST, page(ENVIRONMENT, {**ENVIRONMENT, "name": "dev", "revision": None}))
    lines = strongroom("env", "list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "REVISION", "UPDATED", "AT", "DESCRIPTION"]
    assert lines[1].split() == ["prod", "3", "2026-11-22", "09:00:00Z", "-"]
    assert lines[2].split()[:2] == ["dev", "-"]


def test_a_list_is_json(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", LIST, page(ENVIRONMENT))
    assert json.loads(strongroom("env", "list", "--format", "json").stdout) == [ENVIRONMENT]


def test_a_list_is_yaml(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", LIST, page(ENVIRONMENT))
    found = yaml.safe_load(strongroom("env", "list", "--format", "yaml").stdout)
    assert found[0]["name"] == "prod"
    assert found[0]["updated_at"] == ENVIRONMENT["updated_at"]


def test_nothing_is_cut_or_wrapped_in_a_pipe(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", LIST, page({**ENVIRONMENT, "description": "word " * 100}))
    assert len(strongroom("env", "list").stdout.splitlines()) == 2


@pytest.mark.parametrize("text", ["[bold]x[/bold]", "\x1b]0;title\x07", "a\nb"])
def test_what_steers_a_terminal_or_rich_is_shown_instead(
    text: str, strongroom: Strongroom, server: FakeTransport
) -> None:
    server.on("GET", LIST, page({**ENVIRONMENT, "description": text}))
    stdout = strongroom("env", "list").stdout
    assert "\x1b" not in stdout
    assert text.encode("unicode_escape").decode() in stdout


def test_no_color_is_respected(strongroom: Strongroom, server: FakeTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    server.on("GET", LIST, page(ENVIRONMENT))
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[1m" in strongroom("env", "list").stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in strongroom("env", "list").stdout


def test_deleted_ones_are_listed(strongroom: Strongroom, server: FakeTransport) -> None:
    gone = {**ENVIRONMENT, "deleted_at": "2026-11-22T10:00:00Z"}
    server.on("GET", "/environments?deleted=true&limit=200", page(gone))
    assert "2026-11-22 10:00:00Z" in strongroom("env", "list", "--deleted").stdout


@pytest.mark.parametrize(
    ("arguments", "method", "path", "sent"),
    [
        (("create", "prod", "--description", "d"), "POST", "/environments", {"name": "prod", "description": "d"}),
        (
            ("create", "prod", "--base", "a", "--base", "b"),
            "POST",
            "/environments",
            {"name": "prod", "bases": ["a", "b"]},
        ),
        (("set", "prod", "--base", "b", "--base", "a"), "PATCH", "/environments/prod", {"bases": ["b", "a"]}),
        (("set", "prod", "--no-bases"), "PATCH", "/environments/prod", {"bases": []}),
        (("set", "prod", "--description", ""), "PATCH", "/environments/prod", {"description": ""}),
        (("rename", "prod", "live"), "PATCH", "/environments/prod", {"name": "live"}),
        (("copy", "prod", "test"), "POST", "/environments/prod/copy", {"name": "test"}),
        (("undelete", "prod"), "POST", "/environments/prod/undelete", {}),
        (("undelete", "prod", "--name", "old"), "POST", "/environments/prod/undelete", {"name": "old"}),
    ],
)
def test_each_command_is_one_call(
    arguments: tuple[str, ...],
    method: str,
    path: str,
    sent: dict[str, object],
    strongroom: Strongroom,
    server: FakeTransport,
) -> None:
    server.on(method, path, answer(ENVIRONMENT))
    result = strongroom("env", *arguments)
    assert result.exit_code == 0, result.output
    assert server.sent == sent


def test_a_deletion_says_how_to_undo_it(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("DELETE", "/environments/prod", Response(204))
    assert "strongroom env undelete prod" in strongroom("env", "delete", "prod").stderr


BASE = {**ENVIRONMENT, "id": "99999999-2222-4333-8444-555555555555", "name": "common"}
HIDDEN = "77777777-2222-4333-8444-555555555555"


def test_a_table_names_the_bases_that_may_be_listed(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", LIST, page({**ENVIRONMENT, "bases": [BASE["id"], HIDDEN]}, BASE))
    server.on("GET", "/environments/prod", answer({**ENVIRONMENT, "bases": [BASE["id"], HIDDEN]}))
    for arguments in (("list",), ("show", "prod")):
        head, row, *_ = strongroom("env", *arguments).stdout.splitlines()
        assert head.split()[:3] == ["NAME", "REVISION", "BASES"]
        assert row.split()[:4] == ["prod", "3", "common,", HIDDEN]


def test_an_environment_without_bases_is_shown_by_one_call(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", "/environments/prod", answer(ENVIRONMENT))
    row = strongroom("env", "show", "prod").stdout.splitlines()[1]
    assert row.split()[:3] == ["prod", "3", "-"]
    assert row.split()[-1] == ENVIRONMENT["id"]
    assert server.calls == ["GET /environments/prod"]


def test_json_has_the_ids_of_bases(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", "/environments/prod", answer({**ENVIRONMENT, "bases": [HIDDEN]}))
    assert json.loads(strongroom("env", "show", "prod", "--format", "json").stdout)[0]["bases"] == [HIDDEN]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("prod", "--base", "a", "--no-bases"), "Give --base or --no-bases, not both."),
        (("prod",), "Say what to change: give --description, --base or --no-bases."),
    ],
)
def test_a_change_that_says_nothing_or_two_things_asks_no_server(
    arguments: tuple[str, ...], sentence: str, strongroom: Strongroom, server: FakeTransport
) -> None:
    result = strongroom("env", "set", *arguments)
    assert (result.exit_code, server.calls) == (1, [])
    assert sentence in result.stderr


def test_a_deletion_passes_on_what_the_server_warns_of(strongroom: Strongroom, server: FakeTransport) -> None:
    warned = answer(None, 204, X_Strongroom_Warnings='["2 environments have this one as a base."]')
    server.on("DELETE", "/environments/prod", warned)
    assert "Warning: 2 environments have this one as a base." in strongroom("env", "delete", "prod").stderr


@pytest.mark.parametrize("arguments", [("create",), ("copy", "prod"), ("rename", "prod")])
def test_a_name_with_letters_that_look_alike_is_told(
    arguments: tuple[str, ...], strongroom: Strongroom, server: FakeTransport
) -> None:
    for method, path in (
        ("POST", "/environments"),
        ("POST", "/environments/prod/copy"),
        ("PATCH", "/environments/prod"),
    ):
        server.on(method, path, answer(ENVIRONMENT))
    assert "Warning: pr\u043ed mixes letters of different scripts" in strongroom("env", *arguments, "pr\u043ed").stderr
    assert "Warning" not in strongroom("env", *arguments, "\u043f\u0440\u043e\u0434").stderr


OWN = "aaaabbbbcccc"
READS = {"environment_id": HIDDEN, "permissions": ["read"]}


@pytest.mark.parametrize(
    ("grants", "told"),
    [
        ([{**READS, "environment_name": "prod"}], "prod (read)"),
        ([READS], f"{HIDDEN} (read)"),
        (
            [{"path": "team/a", "permissions": ["read", "update"]}, {"path": "b", "permissions": ["list"]}],
            "team/a (read update)",
        ),
        (
            [{"path": "*", "permissions": ["read"]}, {"globals": True, "permissions": ["read"]}],
            "* (read), globals (read)",
        ),
        ([{"path": "*", "permissions": ["list", "read"]}], ""),
    ],
)
def test_a_token_is_told_what_it_may_use_and_not_list(
    grants: list[dict[str, object]],
    told: str,
    anonymous: Strongroom,
    server: FakeTransport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STRONGROOM_TOKEN", mint(TokenKind.SERVICE, OWN).text)
    server.on("GET", LIST, page()).on("GET", f"/tokens/{OWN}", answer({**TOKEN, "grants": grants}))
    result = anonymous("env", "list", "--format", "json")
    assert json.loads(result.stdout) == []
    assert result.stderr == (f"This token may use, but not list: {told}. Name one with -e.\n" if told else "")


def test_a_persons_list_is_one_call(
    anonymous: Strongroom, server: FakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRONGROOM_TOKEN", mint(TokenKind.SESSION).text)
    server.on("GET", LIST, page())
    assert anonymous("env", "list").stderr == ""
    assert len(server.calls) == 1


def test_a_list_that_was_the_tokens_last_use_is_printed(
    anonymous: Strongroom, server: FakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRONGROOM_TOKEN", mint(TokenKind.SERVICE, OWN).text)
    server.on("GET", LIST, page(ENVIRONMENT)).on("GET", f"/tokens/{OWN}", problem(401, "not_authenticated", "No."))
    result = anonymous("env", "list")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "prod" in result.stdout
