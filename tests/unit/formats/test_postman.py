"""Postman: every shape that an importer meets, and what ours states."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from vault.errors import FormatError, InvalidInput
from vault.formats import FORMATS, Source
from vault.model.environment import EnvironmentKind, Variable, VariableType

POSTMAN = FORMATS["postman"]
NEWMAN = FORMATS["postman-newman"]
VALUES = [{"key": "A", "value": "1", "type": "default", "enabled": True}]


def stated(*entries: Any) -> dict[str, dict[str, Any]]:
    return {name: dict(given) for name, given in POSTMAN.parse(json.dumps({"values": entries})).stated.items()}


@pytest.mark.parametrize(
    "content",
    [
        {"id": "x", "name": "prod", "values": VALUES, "color": None, "_postman_variable_scope": "environment"},
        {"name": "Globals", "values": VALUES, "_postman_variable_scope": "globals"},
        {"values": VALUES, "_postman_variable_scope": "global"},
        {"values": VALUES},
        {"environment": {"values": VALUES}},
        {"globals": {"values": VALUES}},
        {"values": VALUES, "_": {"postman_previewlanguage": "json"}, "timestamp": 1},
        VALUES,
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_reads_every_shape(content: Any, mark: str) -> None:
    assert POSTMAN.parse(mark + json.dumps(content)).variables == (Variable("A", "1"),)


@pytest.mark.parametrize(
    ("entry", "attributes"),
    [
        ({"value": "1"}, {"value": "1"}),
        ({"value": "1", "type": "any"}, {"value": "1"}),
        ({"value": "1", "type": "text"}, {"value": "1"}),
        ({"value": "1", "type": "string"}, {"value": "1"}),
        ({"value": "1", "type": "default"}, {"value": "1", "type": VariableType.DEFAULT}),
        ({"value": "1", "type": "secret"}, {"value": "1", "type": VariableType.SECRET}),
        ({"value": "1", "type": "default", "secret": True}, {"value": "1", "type": VariableType.SECRET}),
        ({"value": "1", "type": {"odd": 1}}, {"value": "1"}),
        ({"value": "1", "enabled": False}, {"value": "1", "enabled": False}),
        ({"value": "1", "enabled": True}, {"value": "1", "enabled": True}),
        ({"value": "1", "disabled": True}, {"value": "1", "enabled": False}),
        ({"value": "1", "disabled": False}, {"value": "1", "enabled": True}),
        ({"value": "1", "enabled": True, "disabled": True}, {"value": "1", "enabled": False}),
        ({"value": "1", "description": "d"}, {"value": "1", "description": "d"}),
        ({"value": "1", "description": {"content": "d", "type": "text/plain"}}, {"value": "1", "description": "d"}),
        ({"value": "1", "description": None}, {"value": "1"}),
        ({"source": {"provider": "x"}, "secret": True}, {"type": VariableType.SECRET}),
        ({"value": ""}, {"value": ""}),
        ({"value": None}, {"value": "null"}),
        ({"value": True}, {"value": "true"}),
        ({"value": 1.10}, {"value": "1.1"}),
        ({"value": {"a": [1, "x"]}}, {"value": '{"a":[1,"x"]}'}),
    ],
)
def test_states_what_the_file_says_and_no_more(entry: dict[str, Any], attributes: dict[str, Any]) -> None:
    assert stated({"key": "A", **entry}) == {"A": attributes}


def test_a_number_stays_as_it_was_written() -> None:
    assert POSTMAN.parse('[{"key": "A", "value": 1.10}]').variables[0].value == "1.10"


@pytest.mark.parametrize(
    ("flags", "value"), [((True, True), "2"), ((True, False), "1"), ((False, True), "2"), ((False, False), "2")]
)
def test_of_equal_keys_the_last_enabled_one_is_taken(flags: tuple[bool, bool], value: str) -> None:
    entries = [{"key": "A", "value": str(number), "enabled": flag} for number, flag in enumerate(flags, 1)]
    parsed = POSTMAN.parse(json.dumps(entries))
    assert parsed.variables[0].value == value
    assert parsed.warnings == ("A is repeated: entry 1 and entry 2. The last enabled one is used.",)


def test_an_empty_row_is_left_out_and_named() -> None:
    parsed = POSTMAN.parse('[{"key": "", "value": ""}, {"key": "A", "value": "1"}]')
    assert [variable.name for variable in parsed.variables] == ["A"]
    assert parsed.warnings == ("Entry 1 is left out: it has no key.",)


def test_an_entry_without_a_value_is_named() -> None:
    assert POSTMAN.parse('[{"key": "A"}]').warnings == ("A has no value in this file. A stored value does not change.",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ('"canary-5c1"', "no array of values"),
        ("{}", "no array of values"),
        ('{"values": {"A": "canary-5c1"}}', "no array of values"),
        ('{"info": {}, "item": []}', "a Postman collection"),
        ('["canary-5c1"]', "Entry 1: this must be an object"),
        ('[{"key": 1, "value": "canary-5c1"}]', "Entry 1: its key"),
        ('[{"key": "a\\u0000", "value": "canary-5c1"}]', "Entry 1: A name must not contain control"),
        ('[{"key": "A", "value": "canary-5c1", "enabled": "no"}]', "Entry 1: enabled must be true or false"),
        ('[{"key": "A", "value": NaN}]', "contains NaN"),
        ("[" * 100_000, "deep|JSON"),
    ],
)
def test_refuses_and_says_where_and_never_the_value(text: str, sentence: str) -> None:
    with pytest.raises(FormatError, match=sentence) as caught:
        POSTMAN.parse(text)
    assert "canary" not in str(caught.value)


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InvalidInput):
        POSTMAN.parse('[{"key": "A", "value": "\\ud800"}]')


@pytest.mark.parametrize("kind", EnvironmentKind)
def test_writes_what_the_app_expects(kind: EnvironmentKind) -> None:
    source = Source("prod", kind, "11111111-2222-4333-8444-555555555555")
    variables = [Variable("A", "1", VariableType.SECRET, description="d"), Variable("B", "2", enabled=False)]
    content = json.loads(POSTMAN.render(variables, source).text)
    assert content["values"] == [
        {"key": "A", "value": "1", "type": "secret", "enabled": True, "description": "d"},
        {"key": "B", "value": "2", "type": "default", "enabled": False},
    ]
    is_globals = kind is EnvironmentKind.GLOBALS
    assert content["id"] == source.id
    assert content["name"] == ("Globals" if is_globals else "prod")
    assert content["_postman_variable_scope"] == ("globals" if is_globals else "environment")
    assert content["_postman_exported_using"].startswith("Strongroom/")
    assert datetime.fromisoformat(content["_postman_exported_at"]).tzinfo is not None


def test_for_newman_a_disabled_variable_says_it_both_ways() -> None:
    on, off = json.loads(NEWMAN.render([Variable("A", "1"), Variable("B", "2", enabled=False)]).text)["values"]
    assert (on["enabled"], on.get("disabled")) == (True, None)
    assert (off["enabled"], off["disabled"]) == (False, True)


def test_a_literal_value_that_postman_would_resolve_is_named() -> None:
    rendered = POSTMAN.render([Variable("A", "{{B}}", literal=True), Variable("C", "{{B}}"), Variable("D", "x")])
    assert rendered.warnings == ("The value of A is text that looks like a reference. Postman will resolve it.",)
