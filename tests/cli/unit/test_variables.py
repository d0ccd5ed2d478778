"""`set`, `get` and `unset`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.unit.conftest import Strongroom
from tests.unit.client.fake_transport import FakeTransport, answer, problem, variable

VARIABLES = "/environments/prod/variables"
HELD = {
    "variables": [variable("A", "canary-5c1", type="secret"), variable("B", "2", enabled=False)],
    "revision": 3,
}


@pytest.fixture
def held(server: FakeTransport) -> FakeTransport:
    return server.on("GET", VARIABLES, answer(HELD, etag='"e3"')).on("PATCH", VARIABLES, answer({"revision": 4}))


def test_set_asks_for_the_value(strongroom: Strongroom, held: FakeTransport) -> None:
    result = strongroom("set", "-e", "prod", "A", answers="typed\n")
    assert result.exit_code == 0, result.output
    assert held.sent == {"variables": {"A": {"value": "typed"}}}
    assert "typed" not in result.output
    assert "revision 4" in result.stderr


def test_set_takes_an_empty_value_from_the_prompt(strongroom: Strongroom, held: FakeTransport) -> None:
    strongroom("set", "-e", "prod", "A", answers="\n")
    assert held.sent == {"variables": {"A": {"value": ""}}}


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"one\n", "one"),
        (b"one\r\n", "one"),
        (b"one", "one"),
        (b"", ""),
        (b" one \n", " one "),
        (b"-----BEGIN\nx\n-----END\n", "-----BEGIN\nx\n-----END\n"),
    ],
)
def test_set_reads_stdin_and_files_alike(
    data: bytes, value: str, strongroom: Strongroom, held: FakeTransport, tmp_path: Path
) -> None:
    (tmp_path / "value").write_bytes(data)
    assert strongroom("set", "-e", "prod", "A=-", stdin=data).exit_code == 0
    assert held.sent["variables"]["A"]["value"] == value
    assert strongroom("set", "-e", "prod", f"A=@{tmp_path}/value").exit_code == 0
    assert held.sent["variables"]["A"]["value"] == value


def test_set_takes_a_value_from_the_command_line_with_a_warning(strongroom: Strongroom, held: FakeTransport) -> None:
    result = strongroom("set", "-e", "prod", "A=x=y", "B=")
    assert held.sent == {"variables": {"A": {"value": "x=y"}, "B": {"value": ""}}}
    assert "Warning: the value of A was given on the command line" in result.stderr


def test_set_passes_attributes_on(strongroom: Strongroom, held: FakeTransport) -> None:
    arguments = ("--type", "secret", "--disabled", "--literal", "--description", "d")
    strongroom("set", "-e", "prod", "A=-", *arguments, stdin="1")
    attributes = {"value": "1", "type": "secret", "enabled": False, "literal": True, "description": "d"}
    assert held.sent == {"variables": {"A": attributes}}


def test_set_changes_the_globals(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("PATCH", "/globals/variables", answer({"revision": 1}))
    assert strongroom("set", "--globals", "A=-", stdin="1").exit_code == 0


def test_the_environment_may_come_from_the_project_file(strongroom: Strongroom, held: FakeTransport) -> None:
    Path(".strongroom.toml").write_text('environment = "prod"\n')
    assert strongroom("set", "A=-", stdin="1").exit_code == 0


def test_without_an_environment_nothing_is_guessed(strongroom: Strongroom, server: FakeTransport) -> None:
    result = strongroom("set", "A=-", stdin="1")
    assert result.exit_code == 1
    assert "-e NAME or --globals" in result.stderr


def test_two_values_cannot_come_from_stdin(strongroom: Strongroom) -> None:
    assert strongroom("set", "-e", "prod", "A=-", "B=-", stdin="1").exit_code == 1


@pytest.mark.parametrize("given", ["@missing", "@.", "@binary"])
def test_a_file_that_cannot_be_read_is_told(given: str, strongroom: Strongroom, server: FakeTransport) -> None:
    Path("binary").write_bytes(b"\xff\xfe")
    result = strongroom("set", "-e", "prod", f"A={given}")
    assert result.exit_code == 1
    assert result.stderr.startswith("strongroom: ")
    assert server.requests == []


def test_get_prints_the_bare_value(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", VARIABLES + "/A", answer(variable("A", "x\ny ") | {"revision": 3}))
    assert strongroom("get", "-e", "prod", "A").stdout == "x\ny "


def test_get_prints_all_of_it_as_json(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", VARIABLES + "/A", answer(variable("A", "x") | {"revision": 3}))
    assert json.loads(strongroom("get", "-e", "prod", "A", "--format", "json").stdout) == variable("A", "x")


def test_get_of_what_is_not_there_is_2(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", VARIABLES + "/A", problem(404, "not_found"))
    result = strongroom("get", "-e", "prod", "A")
    assert (result.exit_code, result.stdout) == (2, "")


def test_get_prints_what_a_service_gets(strongroom: Strongroom, server: FakeTransport) -> None:
    values = {"values": {"A": "resolved"}, "warnings": ["In A: something."], "revision": 3}
    server.on("GET", "/environments/prod/values?names=A", answer(values))
    result = strongroom("get", "-e", "prod", "A", "--resolve")
    assert result.stdout == "resolved"
    assert "Warning: In A: something." in result.stderr
    server.on("GET", "/environments/prod/values?names=B", answer({**values, "values": {}}))
    assert strongroom("get", "-e", "prod", "B", "--resolve").exit_code == 1


@pytest.mark.parametrize("form", ["table", "json", "yaml"])
def test_a_list_hides_the_values(form: str, strongroom: Strongroom, held: FakeTransport) -> None:
    result = strongroom("get", "-e", "prod", "--format", form)
    assert "A" in result.stdout
    assert "canary" not in result.output
    assert "canary-5c1" in strongroom("get", "-e", "prod", "--format", form, "--show").stdout


def test_unset_of_one(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("DELETE", VARIABLES + "/A", answer({"revision": 4}))
    assert strongroom("unset", "-e", "prod", "A").exit_code == 0


def test_unset_of_several_is_one_revision_of_what_was_read(strongroom: Strongroom, held: FakeTransport) -> None:
    assert strongroom("unset", "-e", "prod", "A", "B").exit_code == 0
    assert held.sent == {"variables": {"A": None, "B": None}}
    assert held.sent_headers["If-Match"] == '"e3"'


def test_unset_of_several_is_all_or_nothing(strongroom: Strongroom, held: FakeTransport) -> None:
    result = strongroom("unset", "-e", "prod", "A", "TYPO")
    assert result.exit_code == 1
    assert "TYPO" in result.stderr
    assert held.calls == [f"GET {VARIABLES}"]


@pytest.mark.parametrize("warnings", ["[]", '["1BAD is a name that shells do not take."]', '["one", "two"]'])
def test_set_prints_the_warnings_of_the_server(strongroom: Strongroom, held: FakeTransport, warnings: str) -> None:
    held.on("PATCH", VARIABLES, answer({"revision": 4}, x_strongroom_warnings=warnings))
    told = strongroom("set", "-e", "prod", "1BAD", answers="x\n").stderr.splitlines()
    assert [line for line in told if "Warning" in line] == [f"Warning: {each}" for each in json.loads(warnings)]


def test_a_read_of_all_values_tells_of_globals_too(strongroom: Strongroom, server: FakeTransport) -> None:
    told = ["In A: something.", "In G: something."]
    found = {"values": {"A": "1"}, "warnings": told, "globals_warnings": told[1:], "revision": 1}
    server.on("GET", "/environments/prod/values", answer(found))
    assert strongroom("get", "-e", "prod", "--resolve").stderr == "".join(f"Warning: {each}\n" for each in told)
