"""`/tokens`: make, list, rotate and revoke service tokens, and what one may do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Caller, Vault

READ = ["list", "read"]
ALL = ["create", "delegate", "delete", "history", "list", "read", "update"]
FIELDS = {
    "id", "accessor", "name", "grants", "parent_id", "created_at", "expires_at", "max_ttl_seconds", "renewable",
    "may_rotate", "uses_left", "networks", "metadata", "last_used_at",
}  # fmt: skip


@pytest.fixture
def prod(ada: Caller) -> str:
    """The id of an environment with two revisions."""
    ada.ok("PATCH", "/globals/variables", {"variables": {"G": "g"}})
    made = ada.make("team/prod", A="0")
    ada.ok("PUT", f"/environments/{made['id']}/variables/A", {"value": "1"})
    return str(made["id"])


def test_a_token_is_told_with_its_secret_once(ada: Caller, prod: str) -> None:
    body = {
        "name": "web", "grants": [{"environment": "team/prod", "permissions": READ}], "ttl_seconds": 60,
        "networks": ["127.0.0.0/8"], "metadata": {"team": "a"}, "uses": 5,
    }  # fmt: skip
    answer = ada("POST", "/tokens", body)
    assert (answer.status, set(answer.json)) == (201, FIELDS | {"secret"})
    assert answer.headers["location"] == f"/api/v1/tokens/{answer.json['id']}"
    assert answer.json["grants"] == [{"environment_id": prod, "environment_name": "team/prod", "permissions": READ}]
    assert answer.json["metadata"] == {"team": "a"}
    shown = ada.ok("GET", f"/tokens/{answer.json['id']}")
    assert shown == {name: answer.json[name] for name in FIELDS}
    assert ada.ok("GET", "/tokens")["items"] == [shown]


def test_a_token_reads_what_it_was_granted_and_nothing_else(ada: Caller, prod: str) -> None:
    other = ada.make("other", A="1")["id"]
    service = ada.token({"environment_id": prod, "permissions": READ})
    found = service.ok("GET", f"/environments/{prod}/values")
    assert found["values"] == {"A": "1"}
    assert len(found["warnings"]) == 1
    assert "G" not in found["warnings"][0].split()
    assert [item["id"] for item in service.ok("GET", "/environments")["items"]] == [prod]
    never = service("GET", "/environments/never-was/values").json
    for reference in (other, "other"):
        assert service("GET", f"/environments/{reference}/values").json == never
    assert service("GET", "/environments?name=other").json["items"] == []


@pytest.mark.parametrize(
    ("grant", "sees"),
    [
        ({"path": "team"}, {"team/a", "team"}),
        ({"path": "team/a"}, {"team/a"}),
        ({"path": "*"}, {"team/a", "team", "teams"}),
        ({"globals": True}, set()),
    ],
)
def test_a_path_covers_whole_segments(ada: Caller, grant: dict[str, Any], sees: set[str]) -> None:
    for name in ("team", "team/a", "teams"):
        ada.make(name)
    service = ada.token({**grant, "permissions": READ})
    assert {item["name"] for item in service.ok("GET", "/environments")["items"]} == sees
    assert service("GET", "/globals/values").status == (200 if grant.get("globals") else 404)


CALLS: list[tuple[str, str, str, Any, int]] = [
    ("list", "GET", "", None, 200),
    ("read", "GET", "/variables", None, 200),
    ("read", "GET", "/values", None, 200),
    ("read", "GET", "/variables/A", None, 200),
    ("read", "GET", "/export", None, 200),
    ("history", "GET", "/revisions", None, 200),
    ("history", "GET", "/revisions/1", None, 200),
    ("history", "GET", "/revisions/1/diff", None, 200),
    ("update", "PATCH", "/variables", {"variables": {"A": "2"}}, 200),
    ("update", "PUT", "/variables/A", {"value": "3"}, 200),
    ("update", "DELETE", "/variables/A", None, 200),
    ("update", "PATCH", "", {"description": "d"}, 200),
    ("delete", "DELETE", "", None, 204),
]


@pytest.mark.parametrize(("permission", "method", "path", "body", "status"), CALLS)
def test_each_call_needs_its_permission(
    ada: Caller, prod: str, permission: str, method: str, path: str, body: Any, status: int
) -> None:
    others = ada.token({"environment_id": prod, "permissions": [name for name in ALL if name != permission]})
    assert others(method, f"/environments/{prod}{path}", body).code == "not_found"
    assert ada.ok("GET", f"/environments/{prod}")["revision"] == 2
    holder = ada.token({"environment_id": prod, "permissions": [permission]})
    assert holder(method, f"/environments/{prod}{path}", body).status == status


def test_a_counted_token_ends_with_its_uses(ada: Caller, prod: str) -> None:
    service = ada.token({"environment_id": prod, "permissions": READ}, uses=2)
    assert [service("GET", f"/environments/{prod}/values").status for _ in range(3)] == [200, 200, 401]


def test_a_token_works_in_its_networks_only(ada: Caller, prod: str) -> None:
    elsewhere = ada.token({"environment_id": prod, "permissions": READ}, networks=["10.0.0.0/8", "2001:db8::/32"])
    assert elsewhere("GET", f"/environments/{prod}/values").status == 401
    here = ada.token({"environment_id": prod, "permissions": READ}, networks=["10.0.0.0/8", "127.0.0.1"])
    mapped = ada.token({"environment_id": prod, "permissions": READ}, networks=["::ffff:127.0.0.0/104"])
    assert mapped("GET", f"/environments/{prod}/values").status == 200
    assert here("GET", f"/environments/{prod}/values").status == 200


def test_a_rotated_token_has_a_new_secret_and_the_same_id(vault: Vault, ada: Caller, prod: str) -> None:
    service = ada.token({"environment_id": prod, "permissions": READ})
    rotated = ada.ok("POST", f"/tokens/{service.id}/rotate")
    assert (rotated["id"], set(rotated)) == (service.id, FIELDS | {"secret"})
    assert service("GET", f"/environments/{prod}/values").status == 401
    assert vault.anyone(rotated["secret"])("GET", f"/environments/{prod}/values").status == 200


def test_an_old_secret_goes_on_for_the_overlap(vault: Vault, ada: Caller, prod: str) -> None:
    service = ada.token({"environment_id": prod, "permissions": READ})
    rotated = ada.ok("POST", f"/tokens/{service.id}/rotate", {"overlap_seconds": 60})
    for secret in (service.secret, rotated["secret"]):
        assert vault.anyone(secret)("GET", f"/environments/{prod}/values").status == 200


def test_a_revoked_token_ends_at_once_with_its_children(ada: Caller, prod: str) -> None:
    parent = ada.token({"environment_id": prod, "permissions": [*READ, "delegate"]})
    child = parent.token({"environment_id": prod, "permissions": ["read"]})
    assert child("GET", f"/environments/{prod}/values").status == 200
    assert [item["parent_id"] for item in parent.ok("GET", "/tokens")["items"]] == [None, parent.id]
    assert ada("DELETE", f"/tokens/{parent.id}").status == 204
    assert {service("GET", f"/environments/{prod}/values").status for service in (parent, child)} == {401}
    assert ada("GET", f"/tokens/{child.id}").code == "not_found"


def test_a_token_gives_on_no_more_than_it_may(ada: Caller, prod: str) -> None:
    other = ada.make("other")["id"]
    parent = ada.token({"environment_id": prod, "permissions": ["read", "delegate"]})
    for wish in (
        {"environment_id": prod, "permissions": ["read", "update"]},
        {"environment_id": other, "permissions": ["read"]},
        {"path": "team", "permissions": ["read"]},
        {"path": "*", "permissions": ["read"]},
        {"globals": True, "permissions": ["read"]},
    ):
        assert parent("POST", "/tokens", {"name": "wide", "grants": [wish]}).code == "not_found"
    plain = ada.token({"environment_id": prod, "permissions": ["read"]})
    wish = {"environment_id": prod, "permissions": ["read"]}
    refused = plain("POST", "/tokens", {"name": "t", "grants": [wish]})
    assert (refused.status, refused.code) == (403, "forbidden")
    assert "delegate" in refused.json["detail"]


def test_a_token_cannot_see_or_end_its_siblings(ada: Caller, prod: str) -> None:
    one, two = (ada.token({"environment_id": prod, "permissions": ALL}) for _ in range(2))
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate")):
        assert one(method, f"/tokens/{two.id}{path}").code == "not_found"
    assert [item["id"] for item in one.ok("GET", "/tokens")["items"]] == [one.id]
    assert two("GET", f"/environments/{prod}").status == 200


GOOD_GRANT = {"globals": True, "permissions": ["read"]}


@pytest.mark.parametrize(
    ("wish", "path"),
    [
        ({"name": ""}, "name"), ({"name": "x" * 257}, "name"), ({"name": "a\0b"}, "name"), ({"name": "a\nb"}, "name"),
        ({"name": "\ud800"}, "name"), ({"name": None}, "name"), ({"grants": []}, "grants"), ({"grants": {}}, "grants"),
        ({"grants": [{"globals": True, "permissions": []}]}, "grants.0.permissions"),
        ({"grants": [{"globals": True, "permissions": ["root"]}]}, "grants.0.permissions.0"),
        ({"grants": [GOOD_GRANT, {"globals": True}]}, "grants.1.permissions"),
        ({"grants": [{"permissions": ["read"]}]}, "grants.0"),
        ({"grants": [{"globals": True, "path": "a", "permissions": ["read"]}]}, "grants.0"),
        ({"grants": [{"globals": 1, "permissions": ["read"]}]}, "grants.0.globals"),
        ({"grants": [{"path": "a/../b", "permissions": ["read"]}]}, "grants.0.path"),
        ({"grants": [{"path": "a\0b", "permissions": ["read"]}]}, "grants.0.path"),
        ({"grants": [{"environment": "a\0b", "permissions": ["read"]}]}, "grants.0.environment"),
        ({"grants": [{"environment_id": "prod", "permissions": ["read"]}]}, "grants.0.environment_id"),
        ({"grants": [GOOD_GRANT | {"extra": 1}]}, "grants.0.extra"), ({"grants": [GOOD_GRANT] * 65}, "grants"),
        ({"ttl_seconds": 0}, "ttl_seconds"), ({"ttl_seconds": 10**12}, "ttl_seconds"),
        ({"ttl_seconds": "60"}, "ttl_seconds"), ({"ttl_seconds": 1.5}, "ttl_seconds"), ({"uses": 0}, "uses"),
        ({"uses": 10**10}, "uses"), ({"renewable": "yes"}, "renewable"),
        ({"may_rotate": 1}, "may_rotate"), ({"networks": ["10.0.0.1/8"]}, "networks.0"),
        ({"networks": ["all"]}, "networks.0"), ({"metadata": {"a": 5}}, "metadata.a"),
        ({"metadata": {"value": 5}}, "metadata.value"), ({"metadata": {"a": "x" * 513}}, "metadata.a"),
        ({"secret": "srm_t_mine"}, "secret"),
    ],
)  # fmt: skip
def test_a_token_that_cannot_be_is_not_made(ada: Caller, wish: dict[str, Any], path: str) -> None:
    answer = ada("POST", "/tokens", {"name": "t", "grants": [GOOD_GRANT], **wish})
    assert (answer.status, answer.json["path"]) == (422, path)
    assert ada.ok("GET", "/tokens")["items"] == []


@pytest.mark.parametrize("overlap", [-1, 86_401, "60", 1.5, True, None])
def test_an_overlap_is_at_most_a_day(ada: Caller, overlap: object) -> None:
    service = ada.token(GOOD_GRANT)
    answer = ada("POST", f"/tokens/{service.id}/rotate", {"overlap_seconds": overlap})
    assert (answer.status, answer.json["path"]) == (422, "overlap_seconds")
    assert service("GET", "/globals/values").status == 200


@pytest.mark.parametrize("permission", ALL)
def test_a_token_learns_the_name_of_what_it_may_read_or_list(ada: Caller, prod: str, permission: str) -> None:
    service = ada.token({"environment_id": prod, "permissions": [permission]})
    told = {"environment_name": "team/prod"} if permission in READ else {}
    (shown,) = service.ok("GET", "/tokens")["items"]
    assert shown["grants"] == [{"environment_id": prod, "permissions": [permission], **told}]
    assert service.ok("GET", f"/tokens/{shown['id']}") == shown


def test_the_name_is_the_present_one_and_a_deleted_environment_has_none(ada: Caller, prod: str) -> None:
    service = ada.token({"environment_id": prod, "permissions": ["read"]}, {"path": "x", "permissions": ["read"]})
    ada.ok("PATCH", f"/environments/{prod}", {"name": "live"})
    for who in (ada, service):
        by_id = [grant for grant in who.ok("GET", "/tokens")["items"][0]["grants"] if "environment_id" in grant]
        assert by_id == [{"environment_id": prod, "environment_name": "live", "permissions": ["read"]}]
    ada.ok("DELETE", f"/environments/{prod}")
    grants = ada.ok("GET", "/tokens")["items"][0]["grants"]
    assert all("environment_name" not in grant for grant in grants)
