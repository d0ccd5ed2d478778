"""KV version 2, data: read, write, patch, delete, undelete, destroy, subkeys, check-and-set."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.conftest import Caller
from tests.kv.conftest import Kv, kv_of

MERGE = {"Content_Type": "application/merge-patch+json"}


def test_a_new_path_reads_back_as_it_was_written(kv: Kv) -> None:
    written = kv.put("team/prod", {"A": "1"})
    assert (written.status, written.data["version"]) == (200, 1)
    read = kv("GET", "secret/data/team/prod")
    assert read.data["data"] == {"A": "1"}
    assert read.data["metadata"] == written.data
    assert written.data["deletion_time"] == ""
    assert written.data["destroyed"] is False
    assert written.data["custom_metadata"] is None


def test_the_media_type_is_bare(kv: Kv) -> None:
    assert kv.put("prod", {}).headers["content-type"] == "application/json"
    assert kv("GET", "secret/data/nothing").headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "written",
    [
        '{"A":1.0,"B":1e5,"C":-0,"D":0.10,"E":1E+2,"F":-0.0}',
        '{"big":12345678901234567890123456789,"tiny":1e-400,"huge":1e400}',
        '{"nested":{"list":[1,"two",null,true,[{}]],"é":"ü"},"empty":""}',
    ],
)
def test_values_come_back_character_by_character(kv: Kv, written: str) -> None:
    assert kv("PUT", "secret/data/json", b'{"data":' + written.encode() + b"}").status == 200
    answer = kv("GET", "secret/data/json").body.decode()
    assert f'"data":{{"data":{written},"metadata"' in answer


def test_our_own_face_shows_the_json_text_of_what_is_no_string(ada: Caller, kv: Kv) -> None:
    kv("POST", "secret/data/prod", b'{"data":{"A":1.0,"B":{"c":[1e5]},"D":"x"}}')
    assert ada.ok("GET", "/environments/prod/values")["values"] == {"A": "1.0", "B": '{"c":[1e5]}', "D": "x"}


def test_a_value_that_is_no_string_survives_a_round_trip_through_our_own_face(ada: Caller, kv: Kv) -> None:
    kv("POST", "secret/data/prod", b'{"data":{"A":1.0,"B":{"c":[1e5]},"D":true}}')
    read = ada("GET", "/environments/prod/variables")
    variables = [item | {"description": "seen"} for item in read.json["variables"]]
    ada.ok("PUT", "/environments/prod/variables", {"variables": variables}, If_Match=read.etag)
    assert b'"data":{"A":1.0,"B":{"c":[1e5]},"D":true}' in kv("GET", "secret/data/prod").body
    ada.ok("PATCH", "/environments/prod/variables", {"variables": {"D": "false"}})
    assert kv.get("prod")["D"] == "false"


def test_each_write_is_a_new_version_even_of_the_same_values(kv: Kv) -> None:
    assert [kv.put("prod", {"A": "1"}).data["version"] for _ in range(3)] == [1, 2, 3]


def test_a_write_replaces_all(kv: Kv) -> None:
    kv.put("prod", {"A": "1", "B": "2"})
    kv.put("prod", {"B": "3", "C": "4"})
    assert kv.get("prod") == {"B": "3", "C": "4"}


def test_a_write_keeps_attributes_and_disabled_variables(ada: Caller, kv: Kv) -> None:
    ada.make("prod")
    variables: list[dict[str, Any]] = [
        {"name": "KEY", "value": "1", "type": "secret", "description": "why", "literal": True},
        {"name": "OFF", "value": "2", "enabled": False, "description": "later"},
        {"name": "GONE", "value": "3"},
    ]
    ada.ok("PUT", "/environments/prod/variables", {"variables": variables}, If_None_Match="*")
    assert kv.get("prod") == {"KEY": "1", "GONE": "3"}
    kv.put("prod", {"NEW": "4", "KEY": "5"})
    after = {item["name"]: item for item in ada.ok("GET", "/environments/prod/variables")["variables"]}
    assert list(after) == ["KEY", "OFF", "NEW"]
    assert after["KEY"] == variables[0] | {"value": "5", "enabled": True}
    assert (after["OFF"]["enabled"], after["OFF"]["value"]) == (False, "2")


def test_a_write_enables_the_disabled_name_that_it_writes(ada: Caller, kv: Kv) -> None:
    ada.make("prod")
    off = [{"name": "OFF", "value": "2", "enabled": False, "description": "later"}]
    ada.ok("PUT", "/environments/prod/variables", {"variables": off}, If_None_Match="*")
    kv.put("prod", {"OFF": "3"})
    after = ada.ok("GET", "/environments/prod/variables")["variables"]
    assert [(item["value"], item["enabled"], item["description"]) for item in after] == [("3", True, "later")]


def test_both_verbs_of_writing_are_the_same(kv: Kv) -> None:
    assert kv("PUT", "secret/data/prod", {"data": {"A": "1"}}).data["version"] == 1
    assert kv("POST", "secret/data/prod", {"data": {"A": "2"}}).data["version"] == 2


@pytest.mark.parametrize("media_type", ["text/plain", "", "application/x-www-form-urlencoded", "application/json"])
def test_a_body_is_json_whatever_its_type_says(kv: Kv, media_type: str) -> None:
    assert kv("PUT", "secret/data/prod", {"data": {"A": "1"}}, Content_Type=media_type).status == 200


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"{}", "no data provided"),
        (b'{"data":null}', "no data provided"),
        (b'{"data":[1]}', "data"),
        (b'{"data":{"A":NaN}}', "NaN"),
        (b'{"data":{"A":1,"A":2}}', "twice"),
        (b"[]", "object"),
        (b"nothing", "JSON"),
        (b'{"data":{"":1}}', "name"),
        (b'{"data":{"A":"\\ud800"}}', "surrogate"),
        (b'{"data":{"A":{"b":["\\udfff"]}}}', "surrogate"),
        (b'{"data":{"A":' + b"[" * 200 + b"]" * 200 + b"}}", "deep"),
        (b'{"data":{"A":' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "deep"),
        (b'{"data":{},"options":{"cas":"x"}}', "whole number"),
        (b'{"data":{},"options":{"cas":-1}}', "whole number"),
        (b'{"data":{},"options":[]}', "object"),
    ],
)
def test_what_is_no_write_is_refused_and_stores_nothing(kv: Kv, body: bytes, word: str) -> None:
    answer = kv("POST", "secret/data/prod", body)
    assert answer.status == 400
    assert word in answer.errors[0]
    assert kv("GET", "secret/metadata/prod").status == 404


def test_a_refusal_never_quotes_what_was_sent(kv: Kv) -> None:
    for body in (b'{"data":{"A":canary-7}}', b'{"data":"canary-7"}', b'{"versions":["canary-7"]}'):
        for path in ("secret/data/prod", "secret/delete/prod", "secret/metadata/prod", "auth/token/create"):
            assert b"canary-7" not in kv("POST", path, body).body


def test_a_secret_of_2_mib_is_refused_with_413(kv: Kv) -> None:
    answer = kv.put("prod", {"A": "x" * (2 << 20)})
    assert (answer.status, len(answer.errors)) == (413, 1)
    assert kv("GET", "secret/metadata/prod").status == 404


# -- Check-and-set --


def test_cas_zero_writes_only_where_there_is_no_version(kv: Kv) -> None:
    assert kv.put("prod", {"A": "1"}, cas=0).status == 200
    refused = kv.put("prod", {"A": "2"}, cas=0)
    assert (refused.status, refused.errors) == (400, ["check-and-set parameter did not match the current version"])
    assert kv.get("prod") == {"A": "1"}


def test_cas_names_the_version_that_is_replaced(kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    assert kv.put("prod", {"A": "2"}, cas=1).status == 200
    assert kv.put("prod", {"A": "3"}, cas=1).status == 400
    assert kv.put("prod", {"A": "3"}, cas=7).status == 400


def test_a_new_path_with_another_cas_is_not_made(kv: Kv) -> None:
    assert kv.put("prod", {"A": "1"}, cas=1).status == 400
    assert kv("GET", "secret/metadata/prod").status == 404


def test_cas_of_a_deleted_version_is_its_number(kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    kv("DELETE", "secret/data/prod")
    assert kv.put("prod", {"A": "2"}, cas=0).status == 400
    assert kv.put("prod", {"A": "2"}, cas=1).data["version"] == 2


def test_cas_required_refuses_a_write_without_it(kv: Kv) -> None:
    kv("POST", "secret/metadata/prod", {"cas_required": True})
    refused = kv.put("prod", {})
    assert (refused.status, refused.errors) == (400, ["check-and-set parameter required for this call"])
    assert kv.put("prod", {}, cas=0).status == 200


# -- Patch --


def test_a_patch_merges_and_null_removes(kv: Kv) -> None:
    kv.put("prod", {"A": "1", "B": {"x": 1, "y": {"z": 2}}, "C": "3"})
    answer = kv("PATCH", "secret/data/prod", {"data": {"A": None, "B": {"y": {"w": 4}, "x": None}, "D": 5}}, **MERGE)
    assert answer.data["version"] == 2
    assert kv.get("prod") == {"B": {"y": {"z": 2, "w": 4}}, "C": "3", "D": 5}


@pytest.mark.parametrize(
    ("stored", "sent"),
    [("API_KEY", "API_\u212aEY"), ("caf\u00e9", "cafe\u0301"), ("\u00c5", "\u212b"), ("A;", "A\u037e")],
)
def test_a_patch_means_a_name_in_any_spelling(kv: Kv, ada: Caller, stored: str, sent: str) -> None:
    """An error for a name that is there, and none for another, told a writer that may not read which names exist."""
    kv.put("prod", {stored: "1"})
    writer = kv_of(ada.token({"path": "prod", "permissions": ["update"]}))
    assert writer("PATCH", "secret/data/prod", {"data": {sent: "2"}}, **MERGE).status == 200
    assert kv.get("prod") == {stored: "2"}
    assert writer("PATCH", "secret/data/prod", {"data": {sent: None}}, **MERGE).status == 200
    assert kv.get("prod") == {}


def test_a_patch_with_two_spellings_of_a_name_is_refused(kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    answer = kv("PATCH", "secret/data/prod", {"data": {"K": "1", "\u212a": "2"}}, **MERGE)
    assert (answer.status, "the same after Unicode normalisation" in answer.errors[0]) == (400, True)


def test_a_patch_of_another_type_is_415(kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    assert kv("PATCH", "secret/data/prod", {"data": {}}, Content_Type="application/json").status == 415
    assert kv("PATCH", "secret/data/prod", {"data": {}}).status == 415


def test_a_patch_of_nothing_is_404(kv: Kv) -> None:
    assert kv("PATCH", "secret/data/prod", {"data": {"A": "1"}}, **MERGE).errors == []
    kv.put("prod", {"A": "1"})
    kv("DELETE", "secret/data/prod")
    assert kv("PATCH", "secret/data/prod", {"data": {"A": "1"}}, **MERGE).status == 404


def test_a_patch_heeds_cas(kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    body = {"data": {"A": "2"}, "options": {"cas": 5}}
    assert kv("PATCH", "secret/data/prod", body, **MERGE).status == 400
    assert kv("PATCH", "secret/data/prod", body | {"options": {"cas": 1}}, **MERGE).status == 200


# -- Versions --


def test_older_versions_stay_readable(kv: Kv) -> None:
    for number in (1, 2, 3):
        kv.put("prod", {"N": number})
    assert kv("GET", "secret/data/prod?version=2").data["data"] == {"N": 2}
    assert kv("GET", "secret/data/prod?version=0").data["data"] == {"N": 3}
    assert kv("GET", "secret/data/prod?version=3").data["data"] == {"N": 3}


@pytest.mark.parametrize("version", ["4", "9223372036854775807"])
def test_a_version_that_never_was_is_a_plain_404(kv: Kv, version: str) -> None:
    kv.put("prod", {})
    assert kv("GET", f"secret/data/prod?version={version}").errors == []


@pytest.mark.parametrize("version", ["x", "-1", "1.5", "9223372036854775808", "99999999999999999999999"])
def test_a_version_that_is_no_number_is_400(kv: Kv, version: str) -> None:
    kv.put("prod", {})
    assert kv("GET", f"secret/data/prod?version={version}").status == 400


def test_a_deleted_version_is_404_with_the_whole_envelope(kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    assert kv("DELETE", "secret/data/prod").status == 204
    answer = kv("GET", "secret/data/prod")
    assert answer.status == 404
    assert answer.data["data"] is None
    assert answer.data["metadata"]["deletion_time"] != ""
    assert answer.data["metadata"]["destroyed"] is False


def test_an_undeleted_version_is_there_again(kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    kv("DELETE", "secret/data/prod")
    assert kv("POST", "secret/undelete/prod", {"versions": [1]}).status == 204
    assert kv.get("prod") == {"A": "1"}


def test_versions_are_deleted_by_number_or_by_text(kv: Kv) -> None:
    for number in (1, 2, 3):
        kv.put("prod", {"N": number})
    assert kv("PUT", "secret/delete/prod", {"versions": ["1", 2, 99]}).status == 204
    assert [kv("GET", f"secret/data/prod?version={number}").status for number in (1, 2, 3)] == [404, 404, 200]


def test_a_destroyed_version_is_gone_for_good(kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    kv.put("prod", {"A": "2"})
    assert kv("PUT", "secret/destroy/prod", {"versions": [1]}).status == 204
    kv("POST", "secret/undelete/prod", {"versions": [1]})
    answer = kv("GET", "secret/data/prod?version=1")
    assert (answer.status, answer.data["data"], answer.data["metadata"]["destroyed"]) == (404, None, True)
    assert kv.get("prod") == {"A": "2"}


def test_a_destroyed_blob_is_no_longer_stored(ada: Caller, kv: Kv, vault: object) -> None:
    from tests.api.conftest import Vault
    from tests.support.vaults import run_sql

    assert isinstance(vault, Vault)
    kv.put("prod", {"A": "1"})
    kv.put("prod", {"A": "2"})
    environment = ada.ok("GET", "/environments/prod")["id"]
    kv("PUT", "secret/destroy/prod", {"versions": [1]})
    rows = run_sql(
        vault.services,
        "SELECT number, blob, data_key_id, size FROM revisions WHERE environment_id = :id ORDER BY number",
        id=environment,
    )
    assert (rows[0][1], rows[0][2], rows[0][3]) == (None, None, 0)
    stored = run_sql(vault.services, "SELECT bytes_stored FROM environments WHERE id = :id", id=environment)
    assert stored[0][0] == rows[1][3] == len(rows[1][1])


@pytest.mark.parametrize("verb", ["delete", "undelete", "destroy"])
def test_what_is_done_with_versions_of_nothing_is_204(kv: Kv, verb: str) -> None:
    assert kv("POST", f"secret/{verb}/nothing", {"versions": [1]}).status == 204
    assert kv("DELETE", "secret/data/nothing").status == 204


@pytest.mark.parametrize("versions", [None, [], "1", ["x"], [1.5], [True], [-1], list(range(1, 1002))])
def test_versions_must_be_a_list_of_numbers(kv: Kv, versions: object) -> None:
    kv.put("prod", {})
    assert kv("POST", "secret/destroy/prod", {"versions": versions}).status == 400


def test_a_write_after_a_deletion_is_the_next_number(kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    kv("DELETE", "secret/data/prod")
    assert kv.put("prod", {"A": "2"}).data["version"] == 2


# -- Subkeys --


def test_subkeys_are_names_without_values(kv: Kv) -> None:
    kv.put("prod", {"A": "canary-1", "B": {"c": {"d": "canary-2"}}, "E": {}, "F": [1]})
    answer = kv("GET", "secret/subkeys/prod")
    assert answer.data["subkeys"] == {"A": None, "B": {"c": {"d": None}}, "E": None, "F": None}
    assert answer.data["metadata"]["version"] == 1
    assert b"canary" not in answer.body


def test_subkeys_stop_at_a_depth(kv: Kv) -> None:
    kv.put("prod", {"B": {"c": {"d": 1}}})
    assert kv("GET", "secret/subkeys/prod?depth=1").data["subkeys"] == {"B": None}
    assert kv("GET", "secret/subkeys/prod?depth=2").data["subkeys"] == {"B": {"c": None}}


def test_subkeys_of_a_deleted_version_are_404_with_the_envelope(kv: Kv) -> None:
    kv.put("prod", {"A": 1})
    kv("DELETE", "secret/data/prod")
    answer = kv("GET", "secret/subkeys/prod")
    assert (answer.status, answer.data["subkeys"]) == (404, None)


# -- What Vault itself lacks --


def test_an_etag_saves_the_second_answer(kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    first = kv("GET", "secret/data/prod")
    again = kv("GET", "secret/data/prod", If_None_Match=first.headers["etag"])
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    kv.put("prod", {"A": "1"})
    assert kv("GET", "secret/data/prod", If_None_Match=first.headers["etag"]).status == 200


def test_an_etag_changes_with_the_custom_metadata(kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    etag = kv("GET", "secret/data/prod").headers["etag"]
    kv("POST", "secret/metadata/prod", {"custom_metadata": {"a": "b"}})
    assert kv("GET", "secret/data/prod", If_None_Match=etag).status == 200


def test_a_deletion_never_hides_behind_a_304(kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    etag = kv("GET", "secret/data/prod").headers["etag"]
    kv("DELETE", "secret/data/prod")
    assert kv("GET", "secret/data/prod", If_None_Match=etag).status == 404
    gone = kv("GET", "secret/data/prod").headers["etag"]
    assert kv("GET", "secret/data/prod", If_None_Match=gone).status == 404
    assert kv("GET", "secret/data/prod", If_None_Match="*").status == 404


@pytest.mark.parametrize("path", ["secret/data/prod", "secret/data/prod?version=1", "kv/prod"])
def test_a_star_stands_for_every_etag(kv: Kv, path: str) -> None:
    assert kv("GET", path, If_None_Match="*").status == 404
    kv.put("prod", {"A": "1"})
    assert kv("GET", path, If_None_Match="*").status == 304


def test_a_name_made_again_has_another_etag(kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    etag = kv("GET", "secret/data/prod").headers["etag"]
    kv("DELETE", "secret/metadata/prod")
    kv.put("prod", {"A": "1"})
    assert kv("GET", "secret/data/prod", If_None_Match=etag).status == 200


def test_head_is_a_get_without_a_body(kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    answer = kv("HEAD", "secret/data/prod")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["etag"] == kv("GET", "secret/data/prod").headers["etag"]
    assert kv("HEAD", "secret/data/nothing").status == 404


def test_references_are_resolved_on_demand(ada: Caller, kv: Kv) -> None:
    ada.ok("PATCH", "/globals/variables", {"variables": {"HOST": "db.example.org"}})
    kv.put("prod", {"URL": "pg://{{USER}}@{{HOST}}", "USER": "app", "N": {"x": "{{HOST}}"}, "BAD": "{{NOWHERE}}"})
    assert kv.get("prod")["URL"] == "pg://{{USER}}@{{HOST}}"
    answer = kv("GET", "secret/data/prod?resolve=true")
    assert answer.data["data"] == {
        "URL": "pg://app@db.example.org", "USER": "app", "N": {"x": "{{HOST}}"}, "BAD": "{{NOWHERE}}",
    }  # fmt: skip
    assert answer.json["warnings"] == ["In BAD: the reference {{NOWHERE}} is unknown."]


def test_a_resolved_answer_changes_with_the_globals(ada: Caller, kv: Kv) -> None:
    ada.ok("PATCH", "/globals/variables", {"variables": {"HOST": "a"}})
    kv.put("prod", {"URL": "{{HOST}}"})
    etag = kv("GET", "secret/data/prod?resolve=true").headers["etag"]
    ada.ok("PATCH", "/globals/variables", {"variables": {"HOST": "b"}})
    answer = kv("GET", "secret/data/prod?resolve=true", If_None_Match=etag)
    assert (answer.status, answer.data["data"]) == (200, {"URL": "b"})


def test_globals_that_were_not_granted_resolve_nothing(ada: Caller, kv: Kv) -> None:
    ada.ok("PATCH", "/globals/variables", {"variables": {"HOST": "canary"}})
    kv.put("prod", {"URL": "{{HOST}}"})
    token = kv_of(ada.token({"path": "prod", "permissions": ["read"]}))
    answer = token("GET", "secret/data/prod?resolve=true")
    assert answer.data["data"] == {"URL": "{{HOST}}"}
    assert "canary" not in answer.body.decode()
    assert len(answer.json["warnings"]) == 2


def test_a_name_is_the_same_in_both_normal_forms(kv: Kv) -> None:
    kv.put("caf%C3%A9", {"A": "1"})
    assert kv.get("cafe%CC%81") == {"A": "1"}
    twice = kv("POST", "secret/data/x", json.dumps({"data": {"é": 1, "e\u0301": 2}}).encode())
    assert twice.status == 400
