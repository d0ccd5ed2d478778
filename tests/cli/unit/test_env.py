"""`env`, and how lists are printed."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.cli.unit.conftest import Strongroom
from tests.unit.client.fake_transport import ENVIRONMENT, FakeTransport, answer, page
from vault.client import Response

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
    sent: dict[str, str],
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
