"""`/environments` and `/globals`: make, list, find, change, copy, delete, bring back."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.api.conftest import Caller

FIELDS = {
    "id", "name", "kind", "sealing", "revision", "description", "max_versions", "cas_required",
    "delete_version_after_seconds", "created_at", "updated_at", "bases", "deleted_at",
}  # fmt: skip


def test_a_new_environment_is_told_with_its_address(ada: Caller) -> None:
    body = {"name": "prod", "description": "live", "max_versions": 5, "variables": [{"name": "A", "value": "1"}]}
    answer = ada("POST", "/environments", body)
    assert answer.status == 201
    assert set(answer.json) == FIELDS
    assert answer.headers["location"] == f"/api/v1/environments/{answer.json['id']}"
    assert (answer.json["revision"], answer.json["description"], answer.json["max_versions"]) == (1, "live", 5)
    assert (answer.json["kind"], answer.json["sealing"], answer.json["deleted_at"]) == ("environment", "server", None)


def test_an_environment_without_variables_has_no_revision(ada: Caller) -> None:
    made = ada.make("empty")
    assert made["revision"] is None
    assert ada.ok("GET", "/environments/empty/variables") == {"variables": [], "revision": None}


def test_an_environment_is_found_by_id_by_name_and_by_question(ada: Caller) -> None:
    made = ada.make("team/prod")
    assert ada.ok("GET", f"/environments/{made['id']}") == made
    assert ada.ok("GET", f"/environments/{made['id'].upper()}") == made
    assert ada.ok("GET", "/environments?name=team/prod")["items"] == [made]
    assert ada.ok("GET", "/environments?name=team")["items"] == []


@pytest.mark.parametrize("name", ["prod", "Ünï 😀", "a.b", "100%", "a?b#c&d", "+", "~", "variables", "<>"])
def test_any_name_without_a_slash_stands_in_an_address(ada: Caller, name: str) -> None:
    made = ada.make(name, A="1")
    assert ada.ok("GET", f"/environments/{quote(name, safe='')}") == made
    assert ada.ok("GET", f"/environments/{quote(name, safe='')}/values")["values"] == {"A": "1"}


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/../b", "/a", "a/", "a//b", "a\0b", "a\nb", "x" * 257, "a\x7f", "\ud800",
     "123e4567-e89b-12d3-a456-426614174000"],
)  # fmt: skip
def test_a_name_that_cannot_be_is_refused_with_its_path(ada: Caller, name: str) -> None:
    made = ada.make("prod")
    for method, path, body in (
        ("POST", "/environments", {"name": name}),
        ("PATCH", f"/environments/{made['id']}", {"name": name}),
        ("POST", f"/environments/{made['id']}/copy", {"name": name}),
    ):
        answer = ada(method, path, body)
        assert (answer.status, answer.code, answer.json["path"]) == (422, "invalid_input", "name")
    assert [item["name"] for item in ada.ok("GET", "/environments")["items"]] == ["prod"]


def test_a_name_is_taken_once(ada: Caller, bob: Caller) -> None:
    ada.make("prod")
    answer = ada("POST", "/environments", {"name": "prod"})
    assert (answer.status, answer.code) == (409, "name_taken")
    other = ada.make("other")
    assert ada("PATCH", f"/environments/{other['id']}", {"name": "prod"}).code == "name_taken"
    assert ada("POST", "/environments/prod/copy", {"name": "other"}).code == "name_taken"
    assert bob("POST", "/environments", {"name": "prod"}).status == 201


def test_two_forms_of_one_name_are_one_name(ada: Caller) -> None:
    made = ada.make("caf\u00e9")
    assert ada("POST", "/environments", {"name": "cafe\u0301"}).code == "name_taken"
    assert ada.ok("GET", f"/environments/{quote('cafe' + chr(0x301))}")["id"] == made["id"]
    assert [item["id"] for item in ada.ok("GET", f"/environments?name={quote('cafe' + chr(0x301))}")["items"]] == [
        made["id"]
    ]


def test_every_attribute_is_changed_and_told(ada: Caller) -> None:
    made = ada.make("prod", A="1")
    wishes = {
        "name": "live", "description": "d", "max_versions": 2, "cas_required": True,
        "delete_version_after_seconds": 3600,
    }  # fmt: skip
    changed = ada.ok("PATCH", "/environments/prod", wishes)
    assert {name: changed[name] for name in wishes} == wishes
    assert (changed["id"], changed["revision"]) == (made["id"], 1)
    assert ada("GET", "/environments/prod").code == "not_found"
    assert ada.ok("GET", "/environments/live") == changed


def test_the_globals_are_there_and_change_all_but_their_name(ada: Caller) -> None:
    found = ada.ok("GET", "/globals")
    assert (found["kind"], found["name"], found["revision"]) == ("globals", "globals", None)
    assert ada.ok("PATCH", "/globals", {"description": "d", "max_versions": 3})["max_versions"] == 3
    answer = ada("PATCH", "/globals", {"name": "other"})
    assert (answer.status, answer.json["path"]) == (422, "name")
    assert ada("DELETE", "/globals").status == 405
    by_id = ada("DELETE", f"/environments/{found['id']}")
    assert by_id.status in (404, 422)
    assert ada.ok("GET", "/globals")["deleted_at"] is None


def test_a_copy_holds_the_variables_and_goes_its_own_way(ada: Caller) -> None:
    ada.make("prod", A="1", B="2")
    answer = ada("POST", "/environments/prod/copy", {"name": "stage"})
    assert (answer.status, answer.json["revision"]) == (201, 1)
    assert answer.headers["location"].endswith(answer.json["id"])
    ada.ok("PATCH", "/environments/stage/variables", {"variables": {"A": "changed"}})
    assert ada.ok("GET", "/environments/prod/values")["values"] == {"A": "1", "B": "2"}
    assert ada.ok("GET", "/environments/stage/values")["values"] == {"A": "changed", "B": "2"}


def test_what_is_deleted_is_gone_until_it_is_brought_back(ada: Caller) -> None:
    made = ada.make("prod", A="1")
    assert ada("DELETE", "/environments/prod").status == 204
    for path in ("/environments/prod", f"/environments/{made['id']}", f"/environments/{made['id']}/values"):
        assert ada("GET", path).code == "not_found"
    assert ada("DELETE", f"/environments/{made['id']}").code == "not_found"
    assert ada.ok("GET", "/environments")["items"] == []
    (deleted,) = ada.ok("GET", "/environments?deleted=true")["items"]
    assert (deleted["id"], deleted["deleted_at"] is None) == (made["id"], False)
    back = ada.ok("POST", f"/environments/{made['id']}/undelete")
    assert (back["id"], back["deleted_at"], back["revision"]) == (made["id"], None, 1)
    assert ada.ok("GET", "/environments/prod/values")["values"] == {"A": "1"}


def test_the_name_of_a_deleted_one_may_be_taken_and_it_comes_back_under_another(ada: Caller) -> None:
    first = ada.make("prod", A="1")
    ada.ok("DELETE", "/environments/prod")
    second = ada.make("prod", A="2")
    assert ada("POST", f"/environments/{first['id']}/undelete").code == "name_taken"
    back = ada.ok("POST", "/environments/prod/undelete", {"name": "old"})
    assert (back["id"], back["name"]) == (first["id"], "old")
    assert ada.ok("GET", "/environments/prod")["id"] == second["id"]


def test_undelete_by_name_takes_the_one_deleted_last(ada: Caller) -> None:
    ada.make("prod", A="1")
    ada.ok("DELETE", "/environments/prod")
    last = ada.make("prod", A="2")
    ada.ok("DELETE", "/environments/prod")
    assert ada.ok("POST", "/environments/prod/undelete")["id"] == last["id"]


def test_what_lives_cannot_be_brought_back(ada: Caller) -> None:
    made = ada.make("prod")
    assert ada("POST", f"/environments/{made['id']}/undelete").code == "not_found"


def test_a_lower_max_versions_lets_old_revisions_go(ada: Caller) -> None:
    ada.make("prod", A="1")
    for number in range(4):
        ada.ok("PUT", "/environments/prod/variables/A", {"value": f"v{number}"})
    ada.ok("PATCH", "/environments/prod", {"max_versions": 2})
    numbers = [item["number"] for item in ada.ok("GET", "/environments/prod/revisions")["items"]]
    assert numbers == [5, 4]
    assert ada("GET", "/environments/prod/revisions/1").code == "not_found"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_versions", 0), ("max_versions", 1001), ("max_versions", "5"), ("max_versions", 1.5),
        ("max_versions", True), ("max_versions", None), ("cas_required", 1), ("cas_required", "true"),
        ("delete_version_after_seconds", -1), ("delete_version_after_seconds", 10**30), ("description", None),
        ("description", "x" * 4097), ("description", ["x"]), ("name", 5), ("name", None), ("id", "x"),
        ("revision", 1),
    ],
)  # fmt: skip
def test_a_change_that_cannot_be_changes_nothing(ada: Caller, field: str, value: object) -> None:
    made = ada.make("prod", A="1")
    answer = ada("PATCH", "/environments/prod", {"description": "new", field: value} | {field: value})
    assert (answer.status, answer.json["path"]) == (422, field)
    assert ada.ok("GET", "/environments/prod") == made


def test_an_environment_that_cannot_be_filled_is_not_made(ada: Caller) -> None:
    for variables, path in (
        ([{"name": "A"}], "variables.0.value"),
        ([{"name": "A", "value": "1"}, {"name": "B", "value": 5}], "variables.1.value"),
        ([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}], "variables.1.name"),
        ([{"name": "A", "value": "1", "extra": 1}], "variables.0.extra"),
        ({"A": "1"}, "variables"),
    ):
        answer = ada("POST", "/environments", {"name": "prod", "variables": variables})
        assert (answer.status, answer.json["path"]) == (422, path)
    assert ada.ok("GET", "/environments")["items"] == []
