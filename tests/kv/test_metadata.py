"""KV version 2, metadata, list and config."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.api.conftest import Caller, Vault
from tests.kv.conftest import Kv, kv_of
from tests.support.vaults import FakeClock

MERGE = {"Content_Type": "application/merge-patch+json"}


def _metadata(kv: Kv, path: str = "prod") -> Any:
    answer = kv("GET", f"secret/metadata/{path}")
    assert answer.status == 200, answer
    return answer.data


def test_metadata_may_come_before_any_data(kv: Kv) -> None:
    # External Secrets does it in this order.
    assert kv("PUT", "secret/metadata/prod", {"custom_metadata": {"managed-by": "external-secrets"}}).status == 204
    found = _metadata(kv)
    assert (found["current_version"], found["oldest_version"], found["versions"]) == (0, 0, {})
    assert found["custom_metadata"] == {"managed-by": "external-secrets"}
    assert kv("GET", "secret/data/prod").errors == []
    assert kv.put("prod", {"A": "1"}, cas=0).data["custom_metadata"] == {"managed-by": "external-secrets"}


def test_metadata_tells_of_every_version(kv: Kv) -> None:
    for number in (1, 2, 3):
        kv.put("prod", {"N": number})
    kv("DELETE", "secret/data/prod")
    kv("POST", "secret/destroy/prod", {"versions": [1]})
    found = _metadata(kv)
    assert list(found["versions"]) == ["1", "2", "3"]
    assert found["versions"]["1"]["destroyed"] is True
    assert found["versions"]["2"]["deletion_time"] == ""
    assert found["versions"]["3"]["deletion_time"] != ""
    assert (found["current_version"], found["oldest_version"]) == (3, 1)
    assert (found["cas_required"], found["delete_version_after"], found["max_versions"]) == (False, "0s", 100)


def test_max_versions_drops_the_oldest(kv: Kv) -> None:
    kv("POST", "secret/metadata/prod", {"max_versions": 2})
    for number in (1, 2, 3):
        kv.put("prod", {"N": number})
    assert list(_metadata(kv)["versions"]) == ["2", "3"]
    assert _metadata(kv)["oldest_version"] == 2
    assert kv("GET", "secret/data/prod?version=1").errors == []


@pytest.mark.parametrize(
    "body",
    [
        {"max_versions": 1001},
        {"max_versions": -1},
        {"max_versions": "many"},
        {"max_versions": True},
        {"cas_required": "yes"},
        {"delete_version_after": "tomorrow"},
        {"delete_version_after": "99999999h"},
        {"custom_metadata": {"a": 1}},
        {"custom_metadata": {"": "b"}},
        {"custom_metadata": {"a": "b" * 513}},
        {"custom_metadata": {"a" * 129: "b"}},
        {"custom_metadata": {f"k{number}": "v" for number in range(65)}},
        {"custom_metadata": []},
    ],
)
def test_metadata_that_cannot_be_is_refused_and_stores_nothing(kv: Kv, body: dict[str, Any]) -> None:
    assert kv("POST", "secret/metadata/prod", body).status == 400
    assert kv("GET", "secret/metadata/prod").status == 404


@pytest.mark.parametrize("zero", [0, "0"])
def test_zero_max_versions_means_the_default_and_reads_back(ada: Caller, kv: Kv, zero: object) -> None:
    kv("POST", "secret/config", {"max_versions": 7})
    for name in ("new", "old"):
        if name == "old":
            kv("POST", "secret/metadata/old", {"max_versions": 5})
        kv("POST", f"secret/metadata/{name}", {"max_versions": zero})
        assert _metadata(kv, name)["max_versions"] == 0
        assert ada.ok("GET", f"/environments/{name}")["max_versions"] == 7
        kv("POST", f"secret/metadata/{name}", {"custom_metadata": {"a": "b"}})
        assert _metadata(kv, name)["max_versions"] == 0
    for number in range(9):
        kv.put("new", {"N": number})
    assert len(_metadata(kv, "new")["versions"]) == 7


@pytest.mark.parametrize("number", [7, 8])
def test_another_number_of_versions_takes_the_place_of_zero(ada: Caller, kv: Kv, number: int) -> None:
    kv("POST", "secret/config", {"max_versions": 7})
    kv("POST", "secret/metadata/prod", {"max_versions": 0})
    kv("POST", "secret/metadata/prod", {"max_versions": number})
    assert _metadata(kv)["max_versions"] == number
    kv("PATCH", "secret/metadata/prod", {"max_versions": 0}, **MERGE)
    ada.ok("PATCH", "/environments/prod", {"max_versions": 9})
    assert _metadata(kv)["max_versions"] == 9


def test_zero_in_the_config_is_the_default_of_the_server(kv: Kv) -> None:
    kv("POST", "secret/config", {"max_versions": 7})
    kv("POST", "secret/config", {"max_versions": 0})
    assert kv("GET", "secret/config").data["max_versions"] == 0
    kv.put("prod", {})
    assert _metadata(kv)["max_versions"] == 100
    kv("POST", "secret/config", {"max_versions": 100})
    assert kv("GET", "secret/config").data["max_versions"] == 100


@pytest.mark.parametrize("pairs", [{"a": 1}, {"a": None}, {"a": ["b"]}, {"a": "b" * 513}, {"": "b"}])
def test_a_refusal_of_metadata_names_the_field_once(kv: Kv, pairs: dict[str, Any]) -> None:
    told = kv("POST", "secret/metadata/prod", {"custom_metadata": pairs}).errors[0]
    assert told.startswith("custom_metadata: ")
    assert told.count("custom_metadata") == 1


def test_what_a_write_of_metadata_does_not_name_stays(kv: Kv) -> None:
    kv("POST", "secret/metadata/prod", {"custom_metadata": {"a": "b"}, "max_versions": 7, "delete_version_after": "1h"})
    kv("POST", "secret/metadata/prod", {"cas_required": True})
    found = _metadata(kv)
    assert (found["custom_metadata"], found["max_versions"], found["cas_required"]) == ({"a": "b"}, 7, True)
    assert found["delete_version_after"] == "1h0m0s"


def test_a_patch_of_metadata_merges_pairs(kv: Kv) -> None:
    kv("POST", "secret/metadata/prod", {"custom_metadata": {"a": "1", "b": "2"}})
    assert kv("PATCH", "secret/metadata/prod", {"custom_metadata": {"a": None, "c": "3"}}, **MERGE).status == 204
    assert _metadata(kv)["custom_metadata"] == {"b": "2", "c": "3"}
    assert kv("PATCH", "secret/metadata/nothing", {"max_versions": 3}, **MERGE).status == 404
    assert kv("PATCH", "secret/metadata/prod", {"max_versions": 3}).status == 415


def test_custom_metadata_and_our_description_do_not_touch_each_other(ada: Caller, kv: Kv) -> None:
    ada.make("prod")
    ada.ok("PATCH", "/environments/prod", {"description": "ours"})
    kv("POST", "secret/metadata/prod", {"custom_metadata": {"a": "b"}})
    ada.ok("PATCH", "/environments/prod", {"description": "ours still"})
    assert ada.ok("GET", "/environments/prod")["description"] == "ours still"
    assert _metadata(kv)["custom_metadata"] == {"a": "b"}


def test_the_metadata_of_a_path_is_deleted_for_good(ada: Caller, kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    assert kv("DELETE", "secret/metadata/prod").status == 204
    assert kv("GET", "secret/metadata/prod").errors == []
    assert ada.ok("GET", "/environments?deleted=true")["items"] == []
    assert kv("DELETE", "secret/metadata/prod").status == 204
    assert kv.put("prod", {"A": "2"}, cas=0).data["version"] == 1


def test_versions_go_by_themselves_when_their_time_has_come(timed: Vault, clock: FakeClock) -> None:
    kv = kv_of(timed.person("ada"))
    kv("POST", "secret/metadata/prod", {"delete_version_after": "10s"})
    assert kv.put("prod", {"A": "1"}).data["deletion_time"] != ""
    etag = kv("GET", "secret/data/prod").headers["etag"]
    assert kv.get("prod") == {"A": "1"}
    clock.advance(11)
    answer = kv("GET", "secret/data/prod", If_None_Match=etag)
    assert (answer.status, answer.data["data"]) == (404, None)
    kv("POST", "secret/undelete/prod", {"versions": [1]})
    assert kv.get("prod") == {"A": "1"}


# -- Lists --


def test_a_list_shows_one_level(kv: Kv) -> None:
    for path in ("a", "a/b", "a/c/d", "A", "z_", "zx", "é/ü"):
        kv.put(quote(path), {})
    assert kv("LIST", "secret/metadata/").data["keys"] == ["A", "a", "a/", "z_", "zx", "é/"]
    assert kv("LIST", "secret/metadata/a").data["keys"] == ["b", "c/"]
    assert kv("LIST", "secret/metadata/a/").data["keys"] == ["b", "c/"]
    assert kv("LIST", "secret/metadata/a/c").data["keys"] == ["d"]


@pytest.mark.parametrize("query", ["list=true", "list=1", "list=True"])
@pytest.mark.parametrize("path", ["secret/metadata", "secret/metadata/", "kv", "kv/"])
def test_a_get_may_ask_for_the_list(kv: Kv, path: str, query: str) -> None:
    kv.put("prod", {})
    assert kv("GET", f"{path}?{query}").data["keys"] == ["prod"]


def test_an_empty_list_is_a_plain_404(kv: Kv) -> None:
    assert kv("LIST", "secret/metadata").errors == []
    kv.put("prod", {})
    assert kv("LIST", "secret/metadata/prod").errors == []
    assert kv("LIST", "secret/metadata/pro").errors == []


def test_characters_that_like_would_read_are_taken_as_they_are(kv: Kv) -> None:
    for path in ("a_b/x", "axb/y", "a%25/z"):
        kv.put(path, {})
    assert kv("LIST", "secret/metadata/a_b").data["keys"] == ["x"]
    assert kv("LIST", "secret/metadata/a%25").data["keys"] == ["z"]


def test_a_list_shows_only_what_was_granted(ada: Caller, kv: Kv) -> None:
    for path in ("team/a", "team/b", "other/c"):
        kv.put(path, {})
    token = kv_of(ada.token({"path": "team/a", "permissions": ["list"]}))
    assert token("LIST", "secret/metadata").data["keys"] == ["team/"]
    assert token("LIST", "secret/metadata/team").data["keys"] == ["a"]
    assert token("LIST", "secret/metadata/other").errors == ["permission denied"]
    assert token("LIST", "secret/metadata/never").errors == ["permission denied"]


def test_a_token_without_history_sees_the_current_version_alone(ada: Caller, kv: Kv) -> None:
    for number in (1, 2):
        kv.put("prod", {"N": number})
    token = kv_of(ada.token({"path": "prod", "permissions": ["list", "read"]}))
    assert list(_metadata(token)["versions"]) == ["2"]
    assert token("GET", "secret/data/prod?version=2").status == 200
    can = token("POST", "sys/capabilities-self", {"paths": ["secret/data/prod"]}).data["capabilities"]
    assert can == ["read"]
    denied = ["permission denied: An older version needs the permission history."]
    for path in ("secret/data/prod?version=1", "secret/subkeys/prod?version=1", "secret/data/prod?version=99"):
        assert token("GET", path).errors == denied


# -- Config --


def test_the_config_is_what_new_paths_start_with(kv: Kv) -> None:
    kv.put("old", {})
    assert kv("GET", "secret/config").data == {
        "max_versions": 100, "cas_required": False, "delete_version_after": "0s",
    }  # fmt: skip
    body = {"max_versions": 3, "cas_required": True, "delete_version_after": "90s"}
    assert kv("POST", "secret/config", body).status == 204
    assert kv("GET", "secret/config").data == body | {"delete_version_after": "1m30s"}
    assert kv.put("new", {}).status == 400
    assert kv.put("new", {}, cas=0).data["deletion_time"] != ""
    found = _metadata(kv, "new")
    assert (found["max_versions"], found["cas_required"], found["delete_version_after"]) == (3, True, "1m30s")
    assert _metadata(kv, "old")["cas_required"] is False


def test_the_config_stays_with_its_person(kv: Kv, bob: Caller) -> None:
    kv("POST", "secret/config", {"max_versions": 3})
    assert kv_of(bob)("GET", "secret/config").data["max_versions"] == 100


def test_the_config_outlives_a_change_of_the_globals(ada: Caller, kv: Kv) -> None:
    kv("POST", "secret/config", {"max_versions": 3})
    ada.ok("PATCH", "/globals/variables", {"variables": {"A": "1"}})
    assert kv("GET", "secret/config").data["max_versions"] == 3


def test_the_config_takes_a_grant_on_everything(ada: Caller) -> None:
    part = kv_of(ada.token({"path": "team", "permissions": ["list", "update"]}))
    assert part("GET", "secret/config").errors == ["permission denied"]
    assert part("POST", "secret/config", {"max_versions": 3}).errors == ["permission denied"]
    whole = kv_of(ada.token({"path": "*", "permissions": ["list", "update"]}))
    assert whole("POST", "secret/config", {"max_versions": 300, "cas_required": True}).status == 204


def test_a_config_that_lets_go_of_versions_takes_the_right_to_delete(ada: Caller) -> None:
    writer = kv_of(ada.token({"path": "*", "permissions": ["list", "create", "read", "update"]}))
    for body in ({"max_versions": 3}, {"delete_version_after": "1s"}):
        assert writer("POST", "secret/config", body).errors == ["permission denied"]
        assert kv_of(ada)("POST", "secret/config", body).status == 204
        # What stays as it is takes nothing away.
        assert writer("POST", "secret/config", body).status == 204


@pytest.mark.parametrize("body", [{"max_versions": 1001}, {"delete_version_after": "x"}, {"cas_required": 3}])
def test_a_config_that_cannot_be_is_refused(kv: Kv, body: dict[str, Any]) -> None:
    assert kv("POST", "secret/config", body).status == 400
    assert kv("GET", "secret/config").data["max_versions"] == 100
