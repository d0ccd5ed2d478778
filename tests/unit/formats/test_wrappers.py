"""Answers and exports of other stores, and null, which states no value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vault.errors import FormatError
from vault.formats import FORMATS

DATA = {"A": "1", "PORT": 5}
ENTRY = {"id": "x", "A": "no"}
OWN: list[dict[str, Any]] = [
    {"Parameters": "x", "envs": "y"},
    {"Parameters": [5], "envs": ["a"]},
    {"A": {"sensitive": True, "type": "string", "value": "1"}, "B": {"value": "2"}},
]
"""Objects that only look like answers of AWS, Vercel and Terraform."""
ALIKE = [
    {"environments": ["prod", "test"]},
    {"environments": "prod", "globals": "x"},
    {"values": [1, 2]},
    {"SecretString": "x"},
    {"environment": "prod"},
]
"""Objects with words of other stores that are not theirs."""


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (
            {"request_id": "r", "lease_id": "", "data": {"data": DATA, "metadata": {"version": 3}}},
            {"A": "1", "PORT": "5"},
        ),
        ({"request_id": "r", "lease_id": "", "data": DATA, "auth": None}, {"A": "1", "PORT": "5"}),
        ({"A": {"computed": "1", "note": ""}, "B": {"computed": "2", "note": ""}}, {"A": "1", "B": "2"}),
        ({"secrets": {"A": {"raw": "x", "computed": "1"}}, "success": True}, {"A": "1"}),
        ([{"key": "A", "value": "1", "type": "shared"}, {"key": "B", "value": "2"}], {"A": "1", "B": "2"}),
        ({"secrets": [{"secretKey": "A", "secretValue": "1"}], "imports": []}, {"A": "1"}),
        ({"projects": [], "secrets": [{"key": "A", "value": "1", "id": "x"}]}, {"A": "1"}),
        ({"secrets": [{"key": "A", "value": "1"}, {"key": "B", "id": "x"}]}, {"A": "1", "B": ""}),
        (
            {
                "A": {"sensitive": True, "type": "string", "value": "1"},
                "PORT": {"sensitive": False, "type": "number", "value": 5},
            },
            {"A": "1", "PORT": "5"},
        ),
        ({"id": "x", "category": "LOGIN", "fields": [{"label": "A", "value": "1"}, {"label": "notes"}]}, {"A": "1"}),
        ({"ARN": "arn:aws:x", "Name": "shop", "SecretString": '{"A": "1", "PORT": 5}'}, {"A": "1", "PORT": "5"}),
    ],
)
def test_what_other_stores_write_is_known(content: Any, values: dict[str, str]) -> None:
    parsed = FORMATS["json"].parse("\ufeff" + json.dumps(content))
    assert {variable.name: variable.text for variable in parsed.variables} == values
    assert parsed.warnings[0].startswith("This is ")
    assert parsed.warnings[0].endswith("Its variables are imported.")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"apiVersion": "v1", "kind": "Secret", "data": {}}, "Choose the format kubernetes."),
        ({"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "spec": {}}, "only its cluster can open"),
        ({"id": "x", "name": "prod", "values": []}, "Choose the format postman."),
        ({"name": "prod", "values": []}, "Choose the format postman."),
        ({"values": [{"key": "A", "value": "canary"}]}, "Choose the format postman."),
        ({"environment": {"id": "x", "values": []}}, "Choose the format postman."),
        ({"environments": [{"name": "prod", "values": []}], "globals": []}, "a dump of all data from Postman"),
        ({"version": 1, "collections": [], "environments": [], "globals": []}, "a dump of all data from Postman"),
        ({"environments": [{"values": [{"key": "A", "value": "canary"}]}]}, "a dump of all data from Postman"),
        ({"environments": {"x": {"name": "prod", "values": []}}}, "a dump of all data from Postman"),
        ({"ARN": "arn:aws:x", "Name": "shop", "SecretString": "canary"}, "has one text, and no variables"),
        ({"encrypted": False, "folders": [], "items": [{"login": {"password": "canary"}}]}, "Bitwarden vault"),
        ({"encrypted": True, "data": "canary"}, "Bitwarden vault"),
        ({"A": "ENC[AES256_GCM,canary]", "sops": {"version": "3"}}, "SOPS has encrypted this file."),
        ({"Parameters": [{"Name": "/p/A", "Type": "String", "Value": "canary"}]}, "an answer of AWS Systems Manager"),
        (
            {"Parameter": {"Name": "/p/A", "Type": "SecureString", "Value": "canary"}},
            "an answer of AWS Systems Manager",
        ),
        ({"envs": [{"key": "A", "value": "canary", "target": ["production"]}]}, "Use `vercel env pull`"),
        ({"request_id": "r", "data": {"data": None, "metadata": {"deletion_time": "x"}}}, "the version was deleted"),
    ],
)
def test_what_has_no_variables_for_us_is_named_in_the_refusal(content: Any, told: str) -> None:
    with pytest.raises(FormatError) as caught:
        FORMATS["json"].parse(json.dumps(content))
    assert told in caught.value.message
    assert "canary" not in caught.value.message


@pytest.mark.parametrize(
    "content", [{"data": "x"}, {"secrets": "x"}, {"A": {"b": "c"}}, {"id": "x", "fields": "y"}, ENTRY, *ALIKE, *OWN]
)
def test_an_object_of_ones_own_is_read_as_before(content: dict[str, Any]) -> None:
    assert [variable.name for variable in FORMATS["json"].parse(json.dumps(content)).variables] == list(content)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("json", '{"A": null}'),
        ("yaml", "A: null"),
        ("yaml", "A:"),
        ("yaml", "A: ~"),
        ("kubernetes", "kind: Secret\ndata: {A: null}"),
        ("kubernetes", "kind: Secret\ndata:\n  A:\n"),
        ("kubernetes", "kind: Secret\nstringData: {A: ~}"),
    ],
)
def test_null_states_no_value(name: str, text: str) -> None:
    parsed = FORMATS[name].parse(text)
    assert "value" not in parsed.stated["A"]
    assert parsed.warnings == ("A has no value in this file. A stored value does not change.",)


@pytest.mark.parametrize(
    "content",
    [
        {"request_id": "r", "data": {"data": {"A": None, "B": "1"}, "metadata": {"version": 3}}},
        {"request_id": "r", "data": {"A": None, "B": "1"}},
        {"A": {"computed": None, "note": ""}, "B": {"computed": "1"}},
        {"secrets": {"A": {"raw": None, "computed": None}, "B": {"computed": "1"}}},
        [{"key": "A", "value": None}, {"key": "B", "value": "1"}],
        {"secrets": [{"secretKey": "A", "secretValue": None}, {"secretKey": "B", "secretValue": "1"}]},
    ],
)
def test_null_in_a_list_of_another_store_states_no_value(content: Any) -> None:
    """Left out, an import that replaces everything would remove what is stored."""
    parsed = FORMATS["json"].parse(json.dumps(content))
    assert parsed.stated == {"A": {"enabled": True}, "B": {"value": "1", "enabled": True}}
    assert parsed.warnings[1:] == ("A has no value in this file. A stored value does not change.",)


@pytest.mark.parametrize("key", [None, 5, ["A"], {}])
def test_a_key_that_is_no_text_is_refused(key: object) -> None:
    with pytest.raises(FormatError, match="Entry 2: its key must be a text"):
        FORMATS["json"].parse(json.dumps([{"key": "A", "value": "1"}, {"key": key, "value": "canary"}]))


@pytest.mark.parametrize("flags", [{"enabled": None}, {"disabled": None}, {"enabled": None, "disabled": None}])
def test_a_flag_of_null_is_not_stated(flags: dict[str, None]) -> None:
    parsed = FORMATS["postman"].parse(json.dumps([{"key": "A", "value": "1", **flags}]))
    assert parsed.stated["A"] == {"value": "1"}
