"""`auth/token`: lookup, renewal, revocation, children within one's own grants, accessors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Caller, Vault
from tests.kv.conftest import ALL, Kv, kv_of
from tests.support.vaults import FakeClock

LOOKUP = {
    "id": str, "accessor": str, "policies": list, "path": str, "meta": (dict, type(None)), "display_name": str,
    "num_uses": int, "orphan": bool, "creation_time": int, "creation_ttl": int, "expire_time": (str, type(None)),
    "ttl": int, "explicit_max_ttl": int, "entity_id": str, "type": str, "renewable": bool, "issue_time": str,
}  # fmt: skip
AUTH = {
    "client_token": str, "accessor": str, "policies": list, "token_policies": list, "metadata": dict,
    "lease_duration": int, "renewable": bool, "entity_id": str, "token_type": str, "orphan": bool,
    "mfa_requirement": type(None), "num_uses": int,
}  # fmt: skip


def _has_types(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    assert set(found) == set(wanted)
    return all(isinstance(found[name], kind) for name, kind in wanted.items())


def test_a_token_looks_itself_up(service: Kv) -> None:
    found = service("GET", "auth/token/lookup-self").data
    assert _has_types(found, LOOKUP)
    assert found["id"] == service.token
    assert found["policies"] == ["path:*:create,delegate,delete,history,list,read,update"]
    assert service("POST", "auth/token/lookup", {"token": service.token}).data["accessor"] == found["accessor"]


def test_a_session_is_told_as_a_token(ada: Caller, kv: Kv) -> None:
    found = kv("GET", "auth/token/lookup-self").data
    assert _has_types(found, LOOKUP)
    assert (found["display_name"], found["renewable"]) == (ada.username, False)


def test_a_token_that_never_ends_has_no_expiry(ada: Caller) -> None:
    token = kv_of(ada.token({"path": "*", "permissions": ["read"]}, ttl_seconds=None))
    found = token("GET", "auth/token/lookup-self").data
    assert (found["ttl"], found["expire_time"]) == (0, None)


def test_a_bearer_credential_is_a_token_too(service: Kv) -> None:
    bearer = Kv(service.app)
    answer = bearer("GET", "auth/token/lookup-self", Authorization=f"Bearer {service.token}")
    assert answer.data["id"] == service.token


@pytest.mark.parametrize("token", ["", "junk", "srm_t_" + "0" * 61, "hvs.CAESIJ"])
def test_a_bad_token_is_403_and_never_401(kv: Kv, token: str) -> None:
    for path in ("auth/token/lookup-self", "secret/data/prod", "nothing/at/all"):
        answer = kv.as_(token)("GET", path)
        assert (answer.status, answer.errors) == (403, ["permission denied"])
        assert "www-authenticate" not in answer.headers


def test_a_web_session_is_refused(ada: Caller, vault: Vault) -> None:
    from tests.support.vaults import log_in

    secret = log_in(vault.services, ada.username, kind="web", address="127.0.0.1").secret
    assert Kv(ada.app, secret)("GET", "auth/token/lookup-self").status == 403


# -- Renewal --


def test_a_renewal_lasts_as_long_as_asked(timed: Vault, clock: FakeClock) -> None:
    ada = timed.person("ada")
    token = kv_of(
        ada.token({"path": "*", "permissions": ["read"]}, ttl_seconds=100, max_ttl_seconds=1000, renewable=True)
    )
    clock.advance(50)
    answer = token("POST", "auth/token/renew-self", {"increment": "5m"})
    assert _has_types(answer.auth, AUTH)
    assert (answer.auth["lease_duration"], answer.auth["client_token"]) == (300, token.token)
    # A renewal never takes back what an earlier one has given.
    assert token("POST", "auth/token/renew-self", b"").auth["lease_duration"] == 300
    clock.advance(250)
    assert token("POST", "auth/token/renew-self", b"").auth["lease_duration"] == 100


def test_a_renewal_never_passes_the_max_ttl(timed: Vault, clock: FakeClock) -> None:
    ada = timed.person("ada")
    token = kv_of(
        ada.token({"path": "*", "permissions": ["read"]}, ttl_seconds=100, max_ttl_seconds=150, renewable=True)
    )
    clock.advance(90)
    assert token("POST", "auth/token/renew-self", {"increment": 10_000_000}).auth["lease_duration"] == 60
    clock.advance(61)
    assert token("POST", "auth/token/renew-self").status == 403


def test_without_a_max_ttl_a_renewal_never_passes_the_ttl(timed: Vault, clock: FakeClock) -> None:
    token = kv_of(timed.person("ada").token({"path": "*", "permissions": ["read"]}, ttl_seconds=100, renewable=True))
    clock.advance(50)
    assert token("POST", "auth/token/renew-self", {"increment": 10_000_000}).auth["lease_duration"] == 100


def test_a_child_never_outlives_its_maker(timed: Vault, clock: FakeClock) -> None:
    ada = timed.person("ada")
    maker = kv_of(ada.token({"path": "*", "permissions": ALL}, ttl_seconds=100))
    made = maker("POST", "auth/token/create", {"ttl": "10h", "explicit_max_ttl": "20h"})
    assert made.auth["lease_duration"] <= 100
    clock.advance(50)
    child = maker.as_(made.auth["client_token"])
    assert child("POST", "auth/token/renew-self", {"increment": "10h"}).auth["lease_duration"] <= 50


def test_what_is_not_renewable_says_so(ada: Caller, kv: Kv) -> None:
    token = kv_of(ada.token({"path": "*", "permissions": ["read"]}))
    assert token("POST", "auth/token/renew-self").status == 400
    assert kv("POST", "auth/token/renew-self").status == 400


def test_a_token_is_renewed_by_its_person_by_secret_and_by_accessor(kv: Kv, service: Kv) -> None:
    accessor = service("GET", "auth/token/lookup-self").data["accessor"]
    assert kv("POST", "auth/token/renew", {"token": service.token}).auth["accessor"] == accessor
    by_accessor = kv("POST", "auth/token/renew-accessor", {"accessor": accessor}).auth
    assert (by_accessor["accessor"], by_accessor["client_token"]) == (accessor, "")


@pytest.mark.parametrize("call", ["lookup", "renew", "revoke"])
def test_another_persons_token_is_denied(service: Kv, bob: Caller, call: str) -> None:
    # CVE-2026-39388: a renewal with another credential.
    accessor = service("GET", "auth/token/lookup-self").data["accessor"]
    theirs = kv_of(bob)
    assert theirs("POST", f"auth/token/{call}", {"token": service.token}).errors == ["permission denied"]
    by_accessor = theirs("POST", f"auth/token/{call}-accessor", {"accessor": accessor})
    assert (by_accessor.status, by_accessor.errors) == (400, ["invalid accessor"])
    assert theirs("POST", f"auth/token/{call}", {"token": "junk"}).errors == ["permission denied"]
    assert service("GET", "auth/token/lookup-self").status == 200


def test_a_sibling_is_denied(ada: Caller, service: Kv) -> None:
    sibling = kv_of(ada.token({"path": "*", "permissions": ALL}))
    assert sibling("POST", "auth/token/revoke", {"token": service.token}).status == 403
    assert sibling("POST", "auth/token/lookup", {"token": service.token}).status == 403


# -- Revocation --


def test_a_revoked_token_is_refused_with_its_children(service: Kv) -> None:
    child = service.as_(service("POST", "auth/token/create", {}).auth["client_token"])
    assert child("GET", "auth/token/lookup-self").status == 200
    assert service("POST", "auth/token/revoke-self").status == 204
    assert (service("GET", "auth/token/lookup-self").status, child("GET", "auth/token/lookup-self").status) == (
        403,
        403,
    )


def test_a_session_ends_by_revoking_itself(kv: Kv) -> None:
    assert kv("POST", "auth/token/revoke-self").status == 204
    assert kv("GET", "auth/token/lookup-self").status == 403


def test_a_child_is_revoked_by_its_maker(service: Kv) -> None:
    for name, key in (("revoke", "client_token"), ("revoke-accessor", "accessor")):
        made = service("POST", "auth/token/create", {}).auth
        field = "token" if name == "revoke" else "accessor"
        assert service("POST", f"auth/token/{name}", {field: made[key]}).status == 204
        assert service.as_(made["client_token"])("GET", "auth/token/lookup-self").status == 403


# -- Children --


def test_a_child_has_the_grants_that_it_may_be_given(service: Kv) -> None:
    made = service("POST", "auth/token/create", {"display_name": "job", "meta": {"team": "a"}, "ttl": "1h"})
    assert _has_types(made.auth, AUTH)
    assert made.auth["policies"] == ["path:*:create,delegate,delete,history,list,read,update"]
    assert (made.auth["metadata"], made.auth["orphan"]) == ({"team": "a"}, False)


def test_a_child_asks_for_less_by_policies(service: Kv) -> None:
    service.put("team/a", {"A": "1"})
    made = service("POST", "auth/token/create", {"policies": ["path:team:read,list", "default"]})
    child = service.as_(made.auth["client_token"])
    assert made.auth["policies"] == ["path:team:list,read"]
    assert child.get("team/a") == {"A": "1"}
    assert child.put("team/a", {}).errors == ["permission denied"]


@pytest.mark.parametrize(
    "policy", ["globals:read", "path:*:read", "path:other:read", "path:team:update", "path:team/a/../..:read"]
)
def test_a_child_never_gets_more_than_its_maker(ada: Caller, policy: str) -> None:
    maker = kv_of(ada.token({"path": "team", "permissions": ["list", "read", "delegate"]}))
    assert maker("POST", "auth/token/create", {"policies": [policy]}).status in (400, 403)
    assert len(maker("LIST", "auth/token/accessors").data["keys"]) == 1


def test_a_token_without_delegate_makes_none(ada: Caller) -> None:
    maker = kv_of(ada.token({"path": "*", "permissions": ["read"]}))
    lacking = "permission denied: This token cannot make tokens: none of its grants has the permission delegate."
    bodies: list[dict[str, object]] = [{}, {"policies": []}, {"policies": ["path:*:read"]}, {"ttl": "1h"}]
    for body in bodies:
        answer = maker("POST", "auth/token/create", body)
        assert (answer.status, answer.errors) == (403, [lacking])


@pytest.mark.parametrize(
    "body",
    [
        {"policies": ["root"]}, {"policies": "admin"}, {"policies": ["path:a:everything"]}, {"policies": [1]},
        {"policies": ["default"]}, {"no_parent": True}, {"id": "mine"}, {"period": "1h"}, {"type": "batch"},
        {"num_uses": -1}, {"ttl": "soon"}, {"meta": {"a": 1}}, {"meta": {"a": "b" * 513}}, {"meta": {"a" * 129: "b"}},
        {"meta": {"": "b"}}, {"display_name": "a\nb"},
    ],
)  # fmt: skip
def test_what_is_not_offered_is_refused_and_not_ignored(service: Kv, body: dict[str, Any]) -> None:
    assert service("POST", "auth/token/create", body).status == 400


@pytest.mark.parametrize("policies", [None, [], "", [""]])
def test_a_child_without_policies_has_all_that_its_maker_may_give(ada: Caller, policies: object) -> None:
    # Spring's `opsForToken().create()` sends an empty list.
    grants = ({"path": "team", "permissions": ["read", "delegate"]}, {"path": "other", "permissions": ["read"]})
    maker = kv_of(ada.token(*grants))
    made = maker("POST", "auth/token/create", {"policies": policies})
    assert made.auth["policies"] == ["path:team:delegate,read"]


@pytest.mark.parametrize("policies", [["default"], "default", ["default", ""], ["default", "default"]])
def test_the_policy_default_alone_gives_nothing(service: Kv, policies: object) -> None:
    answer = service("POST", "auth/token/create", {"policies": policies})
    assert (answer.status, "allows nothing" in answer.errors[0]) == (400, True)


@pytest.mark.parametrize("policies", [{}, 0, False, {"a": "b"}])
def test_policies_that_are_no_list_are_refused(service: Kv, policies: object) -> None:
    assert service("POST", "auth/token/create", {"policies": policies}).status == 400


@pytest.mark.parametrize("zero", ["0s", "0", 0, "", "0h0m0s", "0ms", "-0", None])
@pytest.mark.parametrize("name", ["period", "ttl", "explicit_max_ttl", "lease"])
def test_a_zero_duration_is_not_given(kv: Kv, name: str, zero: object) -> None:
    # The `bao` command always sends all of them.
    made = kv("POST", "auth/token/create", {name: zero}).auth
    found = kv.as_(made["client_token"])("GET", "auth/token/lookup-self").data
    assert (found["creation_ttl"], found["explicit_max_ttl"]) == (90 * 86_400, 0)


@pytest.mark.parametrize("negative", ["-1s", "-5m", -1, "-1ns"])
@pytest.mark.parametrize("name", ["period", "ttl", "explicit_max_ttl", "lease"])
def test_a_negative_duration_does_not_become_for_ever(kv: Kv, name: str, negative: object) -> None:
    # A script that counts the seconds to a deadline gets one when the deadline has passed.
    answer = kv("POST", "auth/token/create", {name: negative})
    assert (answer.status, answer.errors) == (400, [f"{name}: A duration must not be negative."])


@pytest.mark.parametrize("zero", ["0s", "0", 0, "", None])
def test_a_renewal_by_zero_is_one_by_the_ttl(timed: Vault, clock: FakeClock, zero: object) -> None:
    token = kv_of(timed.person("ada").token({"path": "*", "permissions": ["read"]}, ttl_seconds=100, renewable=True))
    clock.advance(50)
    assert token("POST", "auth/token/renew-self", {"increment": zero}).auth["lease_duration"] == 100


@pytest.mark.parametrize("period", ["1h", 1, "1ns", "24h0m0s"])
def test_a_period_is_not_offered(service: Kv, period: object) -> None:
    answer = service("POST", "auth/token/create", {"period": period})
    assert (answer.status, answer.errors) == (400, ["period: Periodic tokens are not supported."])


@pytest.mark.parametrize("clock", [250], indirect=True)
@pytest.mark.parametrize("seconds", [1, 60, 300, 86_400])
def test_a_lease_lasts_as_long_as_asked(timed: Vault, seconds: int) -> None:
    maker = kv_of(timed.person("ada").token({"path": "*", "permissions": ALL}, ttl_seconds=1_000_000))
    made = maker("POST", "auth/token/create", {"ttl": seconds}).auth
    assert made["lease_duration"] == seconds
    assert maker.as_(made["client_token"])("GET", "auth/token/lookup-self").data["ttl"] == seconds


def test_a_counted_child_ends_with_its_last_use(service: Kv) -> None:
    made = service("POST", "auth/token/create", {"num_uses": 2})
    child = service.as_(made.auth["client_token"])
    assert [child("GET", "sys/mounts").status for _ in range(3)] == [200, 200, 403]


def test_orphans_are_not_offered(service: Kv) -> None:
    assert service("POST", "auth/token/create-orphan", {}).errors == []


# -- Accessors --


def test_accessors_name_what_one_may_see(service: Kv, bob: Caller) -> None:
    made = service("POST", "auth/token/create", {}).auth
    own = service("GET", "auth/token/lookup-self").data["accessor"]
    assert sorted(service("LIST", "auth/token/accessors").data["keys"]) == sorted([own, made["accessor"]])
    assert service("GET", "auth/token/accessors?list=true").status == 200
    assert service("POST", "auth/token/lookup-accessor", {"accessor": made["accessor"]}).data["id"] == ""
    assert kv_of(bob)("LIST", "auth/token/accessors").errors == []


@pytest.mark.parametrize("call", ["lookup-accessor", "renew-accessor", "revoke-accessor"])
def test_an_accessor_of_no_active_token_is_invalid(timed: Vault, clock: FakeClock, call: str) -> None:
    maker = kv_of(timed.person("ada").token({"path": "*", "permissions": ALL}, ttl_seconds=1000, renewable=True))
    revoked = maker("POST", "auth/token/create", {"ttl": "500s"}).auth
    maker("POST", "auth/token/revoke", {"token": revoked["client_token"]})
    ended = maker("POST", "auth/token/create", {"ttl": "5s"}).auth
    clock.advance(6)
    for accessor in ("00000000-0000-0000-0000-000000000000", "junk", revoked["accessor"], ended["accessor"]):
        answer = maker("POST", f"auth/token/{call}", {"accessor": accessor})
        assert (answer.status, answer.errors) == (400, ["invalid accessor"])


@pytest.mark.parametrize("body", [b"null", b" null\n", b"", b"\n", b"  "])
def test_null_is_an_empty_body(service: Kv, body: bytes) -> None:
    # Go clients send it for a call without fields.
    assert service("PUT", "auth/token/renew-self", body).status == 200
    assert service("POST", "auth/token/create", body).status == 200
    assert service("POST", "secret/data/prod", body).errors == ["no data provided"]
    assert service("PUT", "kv/prod", body).errors == ["missing data fields"]
    assert service("PUT", "secret/metadata/prod", body).status == 204
    assert service("PUT", "auth/token/lookup", body).errors == ["missing token"]
    assert service("PUT", "auth/token/revoke-self", body).status == 204


@pytest.mark.parametrize("body", [b"[]", b"0", b"false", b'""', b'"null"', b"nul"])
def test_any_other_value_is_no_body(service: Kv, body: bytes) -> None:
    assert service("POST", "auth/token/create", body).status == 400
