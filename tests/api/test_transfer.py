"""`POST /import`: plans, merges and replacements."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.conftest import Caller

TEXT = "A=new\nC=3\n"


def send(ada: Caller, environment: str | None = "prod", **more: Any) -> Any:
    return ada.ok("POST", "/import", {"environment": environment, "format": "dotenv", "text": TEXT, **more})


@pytest.mark.parametrize(
    ("mode", "after", "removed"),
    [("merge", {"A": "new", "B": "2", "C": "3"}, []), ("replace", {"A": "new", "C": "3"}, ["B"])],
)
def test_an_import_tells_its_plan_and_is_one_revision(
    ada: Caller, mode: str, after: dict[str, str], removed: list[str]
) -> None:
    ada.make("prod", A="1", B="2")
    plan = {"added": ["C"], "changed": ["A"], "removed": removed, "unchanged": [] if removed else ["B"]}
    dry = send(ada, mode=mode, dry_run=True)
    assert (dry["plan"], dry["revision"]) == (plan, None)
    assert ada.ok("GET", "/environments/prod/values")["values"] == {"A": "1", "B": "2"}
    assert send(ada, mode=mode) == {"plan": plan, "revision": 2, "warnings": []}
    assert ada.ok("GET", "/environments/prod/values")["values"] == after


def test_an_import_makes_what_is_not_there(ada: Caller) -> None:
    assert send(ada, "team/new", dry_run=True)["plan"]["added"] == ["A", "C"]
    assert ada.ok("GET", "/environments")["items"] == []
    assert send(ada, "team/new")["revision"] == 1
    assert [item["name"] for item in ada.ok("GET", "/environments")["items"]] == ["team/new"]


def test_null_means_the_globals_and_an_id_the_environment(ada: Caller) -> None:
    made = ada.make("prod", A="1")
    assert send(ada, None)["revision"] == 1
    assert send(ada, made["id"])["revision"] == 2
    assert ada.ok("GET", "/globals/values")["values"] == {"A": "new", "C": "3"}


def test_what_was_set_by_hand_stays(ada: Caller) -> None:
    ada.make("prod")
    ada.ok("PUT", "/environments/prod/variables/A", {"value": "1", "type": "secret", "description": "d"})
    send(ada)
    assert ada.ok("GET", "/environments/prod/variables/A") == {
        "name": "A", "value": "new", "type": "secret", "enabled": True, "literal": False, "description": "d",
        "revision": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"format": "ini"}, "invalid_input"), ({"format": "shell"}, "invalid_input"),
        ({"format": None}, "invalid_input"), ({"text": 5}, "invalid_input"), ({"mode": "append"}, "invalid_input"),
        ({"dry_run": 1}, "invalid_input"), ({"environment": ".."}, "invalid_input"),
        ({"environment": "a\0b"}, "invalid_input"), ({"environment": 5}, "invalid_input"),
        ({"text": "A=\ud800"}, "invalid_input"), ({"text": "no sense"}, "bad_format"),
        ({"text": "'"}, "bad_format"), ({"format": "json", "text": "[" * 100_000}, "bad_format"),
        ({"format": "json", "text": '{"A": NaN}'}, "bad_format"), ({"format": "json", "text": ""}, "bad_format"),
        ({"format": "json", "text": '{"a":' * 20_000}, "bad_format"),
    ],
)  # fmt: skip
def test_an_import_that_cannot_be_read_stores_nothing(ada: Caller, wish: dict[str, Any], code: str) -> None:
    body = {"environment": "prod", "format": "dotenv", "text": TEXT, **wish}
    answer = ada("POST", "/import", body)
    assert (answer.status, answer.code) == (422, code)
    assert ada.ok("GET", "/environments")["items"] == []


ONE = {"id": "1", "name": "one", "values": [{"key": "A", "value": "new"}]}
TWO = {"id": "2", "name": "two", "values": [{"key": "A", "value": "newer"}]}


@pytest.mark.parametrize("mode", ["merge", "replace"])
@pytest.mark.parametrize(
    ("format_name", "text"),
    [
        ("postman", json.dumps({"environments": [{**ONE, "values": []}], "globals": []})),
        ("postman", json.dumps({"environments": [ONE, TWO], "globals": []})),
        ("json", json.dumps({"environments": [ONE, TWO], "globals": []})),
        ("json", json.dumps({"name": "one", "values": []})),
        ("dotenv", "# nothing\n"),
        ("json", "{}"),
    ],
)
def test_a_file_that_gives_nothing_removes_nothing(ada: Caller, mode: str, format_name: str, text: str) -> None:
    ada.make("prod", A="1", B="2")
    answer = ada("POST", "/import", {"environment": "prod", "format": format_name, "text": text, "mode": mode})
    assert (answer.status, answer.code) == (422, "bad_format")
    assert ada.ok("GET", "/environments/prod/values")["values"] == {"A": "1", "B": "2"}


def test_one_environment_of_a_dump_is_picked(ada: Caller) -> None:
    dump = json.dumps({"environments": [ONE, TWO], "globals": []})
    assert send(ada, format="postman", text=dump, pick="two")["plan"]["added"] == ["A"]
    assert ada.ok("GET", "/environments/prod/values")["values"] == {"A": "newer"}


@pytest.mark.parametrize("value", ["{{REGION}}", "shop-{{REGION}}", "{{a b}}!"])
def test_text_that_becomes_a_reference_is_told_and_can_stay_text(ada: Caller, value: str) -> None:
    told = "A contains a {{reference}}, which is resolved. To keep it as text, import with literal (--literal)."
    for dry_run in (True, False):
        assert send(ada, text=f"A='{value}'", dry_run=dry_run)["warnings"] == [told]
    assert send(ada, text=f"A='{value}'")["warnings"] == []
    answer = ada("GET", "/environments/prod/export?format=json")
    assert "A contains a {{reference}}, which is written as it is." in answer.headers["x-strongroom-warnings"]
    for silent in ("postman", "template", "template&strict=true"):
        answer = ada("GET", f"/environments/prod/export?format={silent}")
        assert (answer.status, "x-strongroom-warnings" in answer.headers) == (200, False)
    assert send(ada, "other", text=f"A='{value}'", literal=True)["warnings"] == []
    assert ada.ok("GET", "/environments/other/variables/A")["literal"] is True
    assert ada.ok("GET", "/environments/other/values")["values"] == {"A": value}


@pytest.mark.parametrize("written", ["${HOST}", '"$HOST"', "${HOST:-x}"])
def test_an_import_can_expand_variables_and_says_so(ada: Caller, written: str) -> None:
    text = f"HOST=db\nURL={written}\n"
    for dry_run in (True, False):
        told = send(ada, text=text, dry_run=dry_run, expand=True)["warnings"]
        assert told == ["In URL, $HOST is replaced by its value."]
    assert ada.ok("GET", "/environments/prod/values")["values"] == {"HOST": "db", "URL": "db"}
    assert "import with expand" in send(ada, "other", text=text)["warnings"][0]
    refused = ada("POST", "/import", {"environment": "x", "format": "json", "text": '{"A":"$B"}', "expand": True})
    assert (refused.status, refused.code) == (422, "invalid_input")


@pytest.mark.parametrize(
    "fields",
    [
        [{"label": "A", "value": "new"}, {"label": "B"}],
        [{"label": "A", "value": "new"}, {"label": "B", "value": None}, {"label": "notes"}, {"id": "x"}],
        [{"label": "B"}, {"label": "A", "value": "new"}, {"label": "B"}, {"label": "x\u200b"}, {"label": ""}],
    ],
)
def test_a_field_without_a_value_removes_no_variable(ada: Caller, fields: list[dict[str, Any]]) -> None:
    ada.make("prod", A="1", B="2", C="3")
    text = json.dumps({"id": "x", "category": "LOGIN", "fields": fields})
    told = ["This is an item of 1Password. Its variables are imported."]
    for dry_run in (True, False):
        answer = send(ada, format="json", text=text, mode="replace", dry_run=dry_run)
        assert answer["warnings"] == [*told, "B has no value in this file. A stored value does not change."]
        assert answer["plan"] == {"added": [], "changed": ["A"], "removed": ["C"], "unchanged": ["B"]}
    assert ada.ok("GET", "/environments/prod/values")["values"] == {"A": "new", "B": "2"}
    # A merge removes nothing, so it says nothing either.
    assert send(ada, format="json", text=text)["warnings"] == told
    assert ada.ok("GET", "/environments/prod/values")["values"] == {"A": "new", "B": "2"}


@pytest.mark.parametrize("environments", [{"name": "prod"}, {}, "prod"])
def test_a_dump_whose_environments_are_no_array_is_refused(ada: Caller, environments: Any) -> None:
    ada.make("prod", A="1", B="2")
    text = json.dumps({"environments": environments, "globals": [{"key": "G", "value": "1"}]})
    answer = ada("POST", "/import", {"environment": "prod", "format": "postman", "text": text, "mode": "replace"})
    assert (answer.status, answer.code) == (422, "bad_format")
    assert ada.ok("GET", "/environments/prod/values")["values"] == {"A": "1", "B": "2"}


def test_an_import_tells_of_a_new_environment_with_letters_that_look_alike(ada: Caller) -> None:
    told = "pr\u043ed mixes letters of different scripts, which can look alike: Latin (U+0070), Cyrillic (U+043E)."
    assert send(ada, "pr\u043ed")["warnings"] == [told]
    assert send(ada, "pr\u043ed")["warnings"] == []
