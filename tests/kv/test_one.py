"""KV version 1 at `kv/`: the same environments, as maps."""

from __future__ import annotations

from tests.api.conftest import Caller
from tests.kv.conftest import Kv, kv_of


def test_a_map_reads_back_as_it_was_written(kv: Kv) -> None:
    assert kv("PUT", "kv/team/prod", b'{"A":1.0,"B":{"c":"d"}}').status == 204
    answer = kv("GET", "kv/team/prod")
    assert answer.data == {"A": 1.0, "B": {"c": "d"}}
    assert b'"data":{"A":1.0,"B":{"c":"d"}}' in answer.body


def test_both_versions_see_the_same_environments(kv: Kv, ada: Caller) -> None:
    kv("POST", "kv/prod", {"A": "1"})
    assert kv.get("prod") == {"A": "1"}
    kv.put("prod", {"A": "2"})
    assert kv("GET", "kv/prod").data == {"A": "2"}
    assert ada.ok("GET", "/environments/prod/values")["values"] == {"A": "2"}


def test_a_list_shows_one_level(kv: Kv) -> None:
    for path in ("a/b", "c"):
        kv("POST", f"kv/{path}", {"A": "1"})
    assert kv("LIST", "kv/").data["keys"] == ["a/", "c"]
    assert kv("LIST", "kv/a").data["keys"] == ["b"]
    assert kv("LIST", "kv/nothing").errors == []


def test_a_deleted_path_is_gone_and_our_face_brings_it_back(kv: Kv, ada: Caller) -> None:
    kv("POST", "kv/prod", {"A": "1"})
    assert kv("DELETE", "kv/prod").status == 204
    assert kv("GET", "kv/prod").errors == []
    assert kv("DELETE", "kv/prod").status == 204
    ada.ok("POST", "/environments/prod/undelete", {})
    assert kv("GET", "kv/prod").data == {"A": "1"}


def test_a_deleted_version_is_a_plain_404(kv: Kv) -> None:
    kv("POST", "kv/prod", {"A": "1"})
    kv("DELETE", "secret/data/prod")
    assert kv("GET", "kv/prod").errors == []


def test_a_map_without_a_name_is_refused(kv: Kv) -> None:
    assert kv("POST", "kv/prod", {}).status == 400


def test_a_write_heeds_cas_required(kv: Kv) -> None:
    kv("POST", "secret/metadata/prod", {"cas_required": True})
    assert kv("POST", "kv/prod", {"A": "1"}).status == 400


def test_a_map_has_an_etag_and_resolves(kv: Kv) -> None:
    kv("POST", "kv/prod", {"A": "1", "B": "{{A}}"})
    etag = kv("GET", "kv/prod").headers["etag"]
    assert kv("GET", "kv/prod", If_None_Match=etag).status == 304
    assert kv("GET", "kv/prod?resolve=true").data["B"] == "1"
    assert kv("HEAD", "kv/prod").status == 200


def test_the_same_grants_hold_here(kv: Kv, ada: Caller) -> None:
    kv("POST", "kv/prod", {"A": "1"})
    token = kv_of(ada.token({"path": "other", "permissions": ["read", "update", "delete", "list"]}))
    for method in ("GET", "PUT", "DELETE", "LIST"):
        assert token(method, "kv/prod", {"A": "2"} if method == "PUT" else None).errors == ["permission denied"]
    assert kv("GET", "kv/prod").data == {"A": "1"}
