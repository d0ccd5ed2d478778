"""What the command prints has no invisible character, and for programs the data are the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.cli.unit.conftest import Strongroom
from tests.unit.client.fake_transport import FakeTransport, answer, variable
from vault.model.printable import shown

HIDDEN = ("API\u200bKEY", "A\u202eB", "A\u3164", "A\x9b31mB", "A\x9d0;B\x9c", "A\x7fB", "A\x85B")


@pytest.fixture(params=HIDDEN)
def name(request: pytest.FixtureRequest, server: FakeTransport) -> str:
    """A name of an older release, held by the environment prod."""
    name = str(request.param)
    held = variable(name, f"ü{name}", description=name)
    changes = [{"name": name, "kind": "changed", "before": variable(name, "1"), "after": held}]
    plan = {"added": [], "changed": [], "removed": [name], "unchanged": []}
    server.on("GET", "/environments/prod/variables", answer({"variables": [held], "revision": 3}, etag='"e3"'))
    server.on("GET", "/environments/prod/revisions/3/diff", answer({"from": 2, "to": 3, "changes": changes}))
    server.on("POST", "/import", answer({"plan": plan, "revision": 4, "warnings": [f"{name} is odd."]}))
    return name


@pytest.mark.parametrize(
    "call", [("get", "--show"), ("diff", "3", "--show"), ("import", "x.env", "--replace"), ("import", "x.env")]
)
def test_tables_and_messages_show_escapes(strongroom: Strongroom, name: str, call: tuple[str, ...]) -> None:
    Path("x.env").write_text("A=1")
    result = strongroom(*call, "-e", "prod")
    assert result.exit_code == 0, result.output
    assert shown(name) in result.stdout
    assert name not in result.output


@pytest.mark.parametrize("call", [("get", "--show"), ("diff", "3", "--show")])
def test_programs_get_the_same_data_in_escapes(strongroom: Strongroom, name: str, call: tuple[str, ...]) -> None:
    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        text = strongroom(*call, "-e", "prod", "--format", form).stdout
        assert name not in text
        assert f"ü{name}" in read(text)[0].values()


def test_text_without_them_is_not_escaped(strongroom: Strongroom, server: FakeTransport) -> None:
    held = {"variables": [variable("Ä", "ü 🗝")], "revision": 3}
    server.on("GET", "/environments/prod/variables", answer(held, etag='"e3"'))
    for form in ("json", "yaml"):
        assert "ü 🗝" in strongroom("get", "-e", "prod", "--show", "--format", form).stdout
