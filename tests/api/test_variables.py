"""`…/variables`: full records, the conditions of a write, and one variable at a time."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.conftest import Caller, Vault

PLACES = ["/environments/prod", "/globals"]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, ada: Caller) -> str:
    """An environment with A=1 and B=2, or the globals with the same."""
    ada.make("prod")
    where = str(request.param)
    ada.ok("PATCH", f"{where}/variables", {"variables": {"A": "1", "B": "2"}})
    return where


def record(name: str, value: str, **more: Any) -> dict[str, Any]:
    plain = {"type": "default", "enabled": True, "literal": False, "description": ""}
    return {"name": name, "value": value, **plain, **more}


def test_variables_are_read_with_all_attributes_in_order(ada: Caller, place: str) -> None:
    answer = ada("GET", f"{place}/variables")
    assert answer.json == {"variables": [record("A", "1"), record("B", "2")], "revision": 1}
    assert answer.etag.startswith('"')


def test_a_known_etag_answers_304_and_nothing(ada: Caller, place: str) -> None:
    etag = ada("GET", f"{place}/variables").etag
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        answer = ada("GET", f"{place}/variables", If_None_Match=known)
        assert (answer.status, answer.body, answer.etag) == (304, b"", etag)
    ada.ok("PUT", f"{place}/variables/A", {"value": "new"})
    assert ada("GET", f"{place}/variables", If_None_Match=etag).status == 200


def test_a_put_needs_a_condition(ada: Caller, place: str) -> None:
    answer = ada("PUT", f"{place}/variables", {"variables": []})
    assert (answer.status, answer.code) == (428, "precondition_required")


def test_a_put_with_the_etag_that_was_read_replaces_all(ada: Caller, place: str) -> None:
    etag = ada("GET", f"{place}/variables").etag
    wanted = [record("C", "3", type="secret", enabled=False, literal=True, description="d"), record("A", "1")]
    answer = ada("PUT", f"{place}/variables", {"variables": wanted}, If_Match=etag)
    assert (answer.status, answer.json) == (200, {"revision": 2})
    read = ada("GET", f"{place}/variables")
    assert read.json == {"variables": wanted, "revision": 2}
    assert read.etag == answer.etag != etag


def test_a_put_with_a_stale_etag_changes_nothing(ada: Caller, place: str) -> None:
    etag = ada("GET", f"{place}/variables").etag
    ada.ok("PATCH", f"{place}/variables", {"variables": {"A": "newer"}})
    for stale in (etag, '"never"', ""):
        answer = ada("PUT", f"{place}/variables", {"variables": []}, If_Match=stale)
        assert (answer.status, answer.code) == (412, "precondition_failed")
    assert ada.ok("GET", f"{place}/variables/A")["value"] == "newer"


def test_if_match_star_replaces_whatever_is_there(ada: Caller, place: str) -> None:
    assert ada("PUT", f"{place}/variables", {"variables": [record("A", "1")]}, If_Match="*").status == 200


def test_if_none_match_star_writes_only_where_nothing_is(ada: Caller, place: str) -> None:
    answer = ada("PUT", f"{place}/variables", {"variables": []}, If_None_Match="*")
    assert (answer.status, answer.code) == (412, "precondition_failed")
    ada.make("new")
    answer = ada("PUT", "/environments/new/variables", {"variables": [record("A", "1")]}, If_None_Match="*")
    assert (answer.status, answer.json) == (200, {"revision": 1})
    assert ada("PUT", "/environments/new/variables", {"variables": []}, If_Match="*").status == 200


def test_if_match_fails_where_nothing_is(ada: Caller) -> None:
    ada.make("new")
    etag = ada("GET", "/environments/new/variables").etag
    for match in (etag, "*"):
        assert ada("PUT", "/environments/new/variables", {"variables": []}, If_Match=match).status == 412


def test_if_none_match_with_a_tag_is_no_condition_of_a_write(ada: Caller, place: str) -> None:
    answer = ada("PUT", f"{place}/variables", {"variables": []}, If_None_Match='"x"')
    assert (answer.status, answer.json["path"]) == (422, "If-None-Match")


def test_a_patch_merges_in_one_revision(ada: Caller, place: str) -> None:
    changes: dict[str, Any] = {"A": None, "B": {"enabled": False}, "C": {"value": "3", "type": "secret"}, "D": "4"}
    answer = ada("PATCH", f"{place}/variables", {"variables": changes})
    assert (answer.status, answer.json) == (200, {"revision": 2})
    read = ada("GET", f"{place}/variables")
    assert read.etag == answer.etag
    assert read.json["variables"] == [
        record("B", "2", enabled=False), record("C", "3", type="secret"), record("D", "4"),
    ]  # fmt: skip


def test_a_patch_that_changes_nothing_makes_no_revision(ada: Caller, place: str) -> None:
    etag = ada("GET", f"{place}/variables").etag
    answer = ada("PATCH", f"{place}/variables", {"variables": {"A": "1", "absent": None}})
    assert (answer.json, answer.etag) == ({"revision": 1}, etag)


def test_a_patch_may_have_a_condition(ada: Caller, place: str) -> None:
    etag = ada("GET", f"{place}/variables").etag
    body = {"variables": {"A": "new"}}
    assert ada("PATCH", f"{place}/variables", body, If_Match=etag).status == 200
    assert ada("PATCH", f"{place}/variables", {"variables": {"A": "x"}}, If_Match=etag).code == "precondition_failed"


@pytest.mark.parametrize("name", ["X", "with space", "Ä?#%", "dotted.name", "😀", "value", "key"])
def test_one_variable_is_put_read_and_deleted(ada: Caller, place: str, name: str) -> None:
    path = f"{place}/variables/{quote(name, safe='')}"
    assert ada("GET", path).code == "not_found"
    answer = ada("PUT", path, {"value": "v", "type": "secret", "description": "d"})
    assert (answer.status, answer.json) == (200, {"revision": 2})
    read = ada("GET", path)
    assert read.json == record(name, "v", type="secret", description="d") | {"revision": 2}
    assert read.etag == answer.etag
    assert ada("DELETE", path).json == {"revision": 3}
    assert ada("DELETE", path).code == "not_found"


def test_putting_one_variable_sets_it_as_a_whole_and_keeps_its_place(ada: Caller, place: str) -> None:
    ada.ok("PATCH", f"{place}/variables", {"variables": {"A": {"description": "d", "enabled": False}}})
    ada.ok("PUT", f"{place}/variables/A", {"value": "new"})
    assert ada.ok("GET", f"{place}/variables")["variables"] == [record("A", "new"), record("B", "2")]


def test_one_variable_may_be_written_under_a_condition(ada: Caller, place: str) -> None:
    etag = ada("GET", f"{place}/variables").etag
    assert ada("PUT", f"{place}/variables/A", {"value": "x"}, If_Match='"stale"').code == "precondition_failed"
    assert ada("DELETE", f"{place}/variables/A", If_Match='"stale"').code == "precondition_failed"
    assert ada("DELETE", f"{place}/variables/A", If_Match=etag).status == 200


def test_values_hold_any_text(ada: Caller, place: str) -> None:
    texts = {
        "nul": "a\0b",
        "lines": "a\r\nb",
        "emoji": "👩‍👩‍👧",
        "empty": "",
        "quotes": "'\"\\`$(x)",
        "big": "x" * 100_000,
    }
    ada.ok("PATCH", f"{place}/variables", {"variables": texts})
    read = {item["name"]: item["value"] for item in ada.ok("GET", f"{place}/variables")["variables"]}
    assert texts.items() <= read.items()


FAULTS: list[tuple[Any, str]] = [
    ({"A": 5}, "variables.A"),
    ({"A": ["x"]}, "variables.A"),
    ({"A": {"value": 5}}, "variables.A.value"),
    ({"A": {"value": None}}, "variables.A.value"),
    ({"A": {"type": "odd"}}, "variables.A.type"),
    ({"A": {"enabled": 1}}, "variables.A.enabled"),
    ({"A": {"literal": "no"}}, "variables.A.literal"),
    ({"A": {"description": "x" * 4097}}, "variables.A.description"),
    ({"A": {"extra": "x"}}, "variables.A.extra"),
    ({"new": {"enabled": False}}, "variables.new.value"),
    ({"value": 5}, "variables.value"),
    ({"key": {"value": 5}}, "variables.key.value"),
    ({"x" * 257: "x"}, f"variables.{'x' * 257}"),
    ({"a\0b": "x"}, "variables.a\0b"),
    ({"a\nb": None}, "variables.a\nb"),
    ({"A": "\ud800"}, "variables.A"),
    ({"\udc00": "x"}, "variables.\udc00"),
    (["A"], "variables"),
    (None, "variables"),
]


@pytest.mark.parametrize(("changes", "path"), FAULTS)
def test_a_patch_with_one_fault_changes_nothing_at_all(ada: Caller, changes: Any, path: str) -> None:
    ada.make("prod", A="1")
    body = {"variables": {"Z": "good", **changes} if isinstance(changes, dict) else changes}
    answer = ada("PATCH", "/environments/prod/variables", body)
    assert (answer.status, answer.code, answer.json["path"]) == (422, "invalid_input", path)
    assert ada.ok("GET", "/environments/prod/variables")["variables"] == [record("A", "1")]


def test_a_put_with_one_fault_changes_nothing_at_all(ada: Caller) -> None:
    ada.make("prod", A="1")
    good = record("Z", "good")
    for fault, path in (
        (record("", "x"), "variables.1.name"),
        (record("Z", "twice"), "variables.1.name"),
        (record("a\0b", "x"), "variables.1.name"),
        (good | {"value": 5}, "variables.1.value"),
        ({"name": "X"}, "variables.1.value"),
        (record("X", "x", type="odd"), "variables.1.type"),
        (record("X", "x", extra=1), "variables.1.extra"),
    ):
        answer = ada("PUT", "/environments/prod/variables", {"variables": [good, fault]}, If_Match="*")
        assert (answer.status, answer.json["path"]) == (422, path)
    assert ada.ok("GET", "/environments/prod/variables")["variables"] == [record("A", "1")]


def test_more_than_a_mebibyte_is_too_large(ada: Caller) -> None:
    ada.make("prod", A="1")
    answer = ada("PUT", "/environments/prod/variables/B", {"value": "x" * (1024 * 1024)})
    assert (answer.status, answer.code) == (413, "too_large")
    assert ada.ok("GET", "/environments/prod")["revision"] == 1


def test_the_same_name_in_two_forms_is_refused_in_one_put(ada: Caller) -> None:
    ada.make("prod", A="1")
    twice = [record("caf\u00e9", "1"), record("cafe\u0301", "2")]
    answer = ada("PUT", "/environments/prod/variables", {"variables": twice}, If_Match="*")
    assert (answer.status, answer.json["path"]) == (422, "variables.1.name")


def test_the_etag_of_an_environment_made_again_is_another(ada: Caller) -> None:
    ada.make("prod", A="1")
    etag = ada("GET", "/environments/prod/variables").etag
    ada.ok("DELETE", "/environments/prod")
    ada.make("prod", A="1")
    answer = ada("GET", "/environments/prod/variables", If_None_Match=etag)
    assert (answer.status, answer.etag == etag) == (200, False)


def test_etags_tell_nothing_of_the_plaintext(vault: Vault, ada: Caller, bob: Caller) -> None:
    for who in (ada, bob):
        who.make("prod", A="1")
    assert ada("GET", "/environments/prod/variables").etag != bob("GET", "/environments/prod/variables").etag


@pytest.mark.parametrize("name", ["API\u200bKEY", "\ufeffA", "A\u202eB", "A\u3164", "A\u2800B", "API\u00a0KEY"])
def test_no_face_takes_a_name_with_an_invisible_character(ada: Caller, name: str) -> None:
    ada.make("prod", A="1")
    refused = [
        ada("PATCH", "/environments/prod/variables", {"variables": {name: "1"}}),
        ada("PUT", "/environments/prod/variables", {"variables": [{"name": name, "value": "1"}]}, If_Match="*"),
        ada("POST", "/environments", {"name": name}),
        ada("POST", "/environments", {"name": "x", "variables": [{"name": name, "value": "1"}]}),
        ada("PATCH", "/environments/prod", {"name": name}),
    ]
    assert [(answer.status, answer.code) for answer in refused] == [(422, "invalid_input")] * len(refused)
    assert ada.ok("GET", "/environments/prod/values")["values"] == {"A": "1"}


@pytest.mark.parametrize("name", ["1BAD", "bad name", "my-key", "UID"])
def test_a_new_name_that_shells_do_not_take_is_told_at_every_write(ada: Caller, name: str) -> None:
    one = [{"name": "A", "value": "1"}, {"name": name, "value": "1"}]
    ada.make("prod", A="1")
    ada.make("other", A="1")
    ada.make("third", A="1")
    text = json.dumps({name: "1"})
    answers = [
        ada("PATCH", "/environments/prod/variables", {"variables": {name: "1"}}),
        ada("PUT", "/environments/other/variables", {"variables": one}, If_Match="*"),
        ada("PUT", f"/environments/third/variables/{quote(name)}", {"value": "1"}),
        ada("POST", "/environments", {"name": "fourth", "variables": one}),
    ]
    told = [json.loads(answer.headers["x-strongroom-warnings"]) for answer in answers]
    for dry_run in (True, False):
        body = {"environment": "fifth", "format": "json", "text": text, "dry_run": dry_run}
        told.append(ada.ok("POST", "/import", body)["warnings"])
    assert told == [told[0]] * 6
    assert told[0][0].startswith(f"{name} is a name that shells")
    assert "leave it out" in told[0][0]
    again = ada("PATCH", "/environments/prod/variables", {"variables": {name: "2"}})
    assert "x-strongroom-warnings" not in again.headers


def test_a_token_that_may_not_read_does_not_learn_which_odd_names_are_new(ada: Caller) -> None:
    ada.make("prod", A="1")
    ada("PATCH", "/environments/prod/variables", {"variables": {"my-key": "1"}})
    blind = ada.token({"path": "prod", "permissions": ["update"]})
    for name in ("my-key", "1BAD"):
        answer = blind("PATCH", "/environments/prod/variables", {"variables": {name: "1"}})
        assert (answer.status, "x-strongroom-warnings" in answer.headers) == (200, False)


@pytest.mark.parametrize("name", ["pr\u043ed", "\u0391PI", "\uff21PI"])
def test_a_new_name_of_an_environment_with_letters_that_look_alike_is_told(ada: Caller, name: str) -> None:
    ada.make("prod", A="1")
    answers = [
        ada("POST", "/environments", {"name": name}),
        ada("POST", "/environments/prod/copy", {"name": f"{name}-2"}),
        ada("PATCH", "/environments/prod", {"name": f"{name}-3"}),
    ]
    assert all("can look alike" in answer.headers["x-strongroom-warnings"] for answer in answers)
    plain = ada("PATCH", f"/environments/{quote(name)}", {"description": "d"})
    assert (plain.status, plain.headers.get("x-strongroom-warnings")) == (200, None)
