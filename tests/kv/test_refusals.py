"""Who may not: other people's paths, what was not granted, paths that are written in a second way."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.api.conftest import Caller, Vault
from tests.kv.conftest import Kv, kv_of
from tests.support.vaults import run_sql

MERGE = {"Content_Type": "application/merge-patch+json"}

CALLS: list[tuple[str, str, Any, dict[str, str]]] = [
    ("GET", "secret/data/{}", None, {}),
    ("HEAD", "secret/data/{}", None, {}),
    ("GET", "secret/data/{}?version=1", None, {}),
    ("GET", "secret/subkeys/{}", None, {}),
    ("POST", "secret/data/{}", {"data": {"A": "mine"}}, {}),
    ("PUT", "secret/data/{}", {"data": {"A": "mine"}}, {}),
    ("PATCH", "secret/data/{}", {"data": {"A": "mine"}}, MERGE),
    ("DELETE", "secret/data/{}", None, {}),
    ("POST", "secret/delete/{}", {"versions": [1]}, {}),
    ("POST", "secret/undelete/{}", {"versions": [1]}, {}),
    ("POST", "secret/destroy/{}", {"versions": [1]}, {}),
    ("GET", "secret/metadata/{}", None, {}),
    ("POST", "secret/metadata/{}", {"custom_metadata": {"a": "b"}}, {}),
    ("PATCH", "secret/metadata/{}", {"custom_metadata": {"a": "b"}}, MERGE),
    ("DELETE", "secret/metadata/{}", None, {}),
    ("LIST", "secret/metadata/{}", None, {}),
    ("GET", "kv/{}", None, {}),
    ("PUT", "kv/{}", {"A": "mine"}, {}),
    ("DELETE", "kv/{}", None, {}),
    ("LIST", "kv/{}", None, {}),
]


def test_what_was_not_granted_is_403_whether_it_exists_or_not(ada: Caller, kv: Kv) -> None:
    kv.put("secret-one", {"A": "1"})
    token = kv_of(
        ada.token({"path": "other", "permissions": ["list", "read", "create", "update", "delete", "history"]})
    )
    for method, path, body, headers in CALLS:
        answers = [token(method, path.format(name), body, **headers) for name in ("secret-one", "never-was")]
        for answer in answers:
            assert answer.status == 403
            assert method == "HEAD" or answer.errors == ["permission denied"]
        assert answers[0].headers == answers[1].headers
    assert kv.get("secret-one") == {"A": "1"}
    assert kv("GET", "secret/metadata/never-was").status == 404


def test_another_persons_path_is_as_if_it_were_not(kv: Kv, bob: Caller) -> None:
    theirs = kv_of(bob)
    for number, (method, path, body, headers) in enumerate(CALLS):
        kv.put(f"prod-{number}", {"A": "canary"})
        answers = [theirs(method, path.format(f"{name}-{number}"), body, **headers) for name in ("prod", "never-was")]
        assert answers[0].status == answers[1].status
        assert b"canary" not in answers[0].body
        assert kv.get(f"prod-{number}") == {"A": "canary"}
        assert list(kv("GET", f"secret/metadata/prod-{number}").data["versions"]) == ["1"]


def test_each_permission_allows_what_it_says_and_no_more(ada: Caller, kv: Kv) -> None:
    allowed = {
        "list": {"GET secret/metadata/{}", "LIST secret/metadata/{}", "LIST kv/{}"},
        "read": {
            "GET secret/data/{}", "HEAD secret/data/{}", "GET secret/subkeys/{}", "GET kv/{}",
            # Version 1 is the current one.
            "GET secret/data/{}?version=1",
        },
        "create": set(),
        "update": {
            "POST secret/data/{}", "PUT secret/data/{}", "PATCH secret/data/{}", "POST secret/undelete/{}",
            "POST secret/metadata/{}", "PATCH secret/metadata/{}", "PUT kv/{}",
        },
        "delete": {
            "DELETE secret/data/{}", "POST secret/delete/{}", "POST secret/destroy/{}", "DELETE secret/metadata/{}",
            "DELETE kv/{}",
        },
        "history": set(),
        "delegate": set(),
    }  # fmt: skip
    tokens = {permission: kv_of(ada.token({"path": "team", "permissions": [permission]})) for permission in allowed}
    for number, ((permission, token), call) in enumerate(itertools.product(tokens.items(), CALLS)):
        (method, path, body, headers), name = call, f"team/{number}"
        kv.put(name, {"A": "1"})
        answer = token(method, path.format(name), body, **headers)
        assert (answer.status != 403) == (f"{method} {path}" in allowed[permission]), (method, path, answer)


@pytest.mark.parametrize("rule", [{"max_versions": 1}, {"delete_version_after": "1s"}])
def test_a_rule_that_deletes_takes_delete(ada: Caller, kv: Kv, rule: dict[str, Any]) -> None:
    for _ in range(3):
        kv.put("team/a", {"A": "1"})
    token = kv_of(ada.token({"path": "team", "permissions": ["list", "read", "update", "history"]}))
    assert token("POST", "secret/metadata/team/a", rule).errors == ["permission denied"]
    assert token("PATCH", "secret/metadata/team/a", rule, **MERGE).errors == ["permission denied"]
    assert list(kv("GET", "secret/metadata/team/a").data["versions"]) == ["1", "2", "3"]
    assert kv("POST", "secret/metadata/team/a", rule).status == 204


def test_creating_takes_create_alone(ada: Caller, kv: Kv) -> None:
    token = kv_of(ada.token({"path": "team", "permissions": ["create"]}))
    assert token.put("team/new", {"A": "1"}).status == 200
    assert token.put("team/new", {"A": "2"}).errors == ["permission denied"]
    assert token("POST", "secret/metadata/team/other", {"max_versions": 3}).status == 204
    assert kv.get("team/new") == {"A": "1"}


_SPELLINGS = [
        "../other", "team/../other", "team/./a", "./other", "team//a", "/other", "team/", "%2e%2e/other",
        "team/%2E%2E/a", "team%2f..%2fother", "%2fother", "team%2F", "team%2f%2fa", "team/..", "a%00b", "a%0ab",
        "%ed%a0%80", "%ff", "0" * 8 + "-0000-4000-8000-" + "0" * 12, "x" * 257,
]  # fmt: skip


@pytest.mark.parametrize("prefix", ["secret/data/", "secret/metadata/", "secret/destroy/", "kv/"])
def test_a_path_has_one_spelling(ada: Caller, kv: Kv, vault: Vault, prefix: str) -> None:
    # CVE-2026-3605: what is authorised is what is stored.
    kv.put("other", {"A": "canary"})
    token = kv_of(ada.token({"path": "team", "permissions": ["list", "read", "create", "update", "delete"]}))
    body = {"data": {"A": "mine"}, "versions": [1]}
    for who, path in itertools.product((token, kv), _SPELLINGS):
        answers = [who("GET", prefix + path), who("POST", prefix + path, body)]
        for answer in answers:
            assert answer.status in (400, 404, 405), answer
            assert len(answer.errors) <= 1
            assert b"canary" not in answer.body
    assert kv.get("other") == {"A": "canary"}
    names = run_sql(vault.services, "SELECT name FROM environments WHERE owner_id = :id", id=ada.id)
    assert sorted(row[0] for row in names) == ["globals", "other"]


def test_an_environment_is_never_addressed_by_its_id(ada: Caller, kv: Kv) -> None:
    environment = ada.make("prod", A="1")["id"]
    assert kv("GET", f"secret/data/{environment}").status == 400


def test_the_globals_are_not_on_this_face(ada: Caller, kv: Kv) -> None:
    ada.ok("PATCH", "/globals/variables", {"variables": {"A": "1"}})
    assert kv("GET", "secret/data/globals").errors == []
    assert kv("LIST", "secret/metadata").errors == []


def test_an_environment_that_a_device_sealed_is_refused_with_a_sentence(ada: Caller, kv: Kv, vault: Vault) -> None:
    from tests.support.vaults import write

    ada.make("prod", A="1")

    def seal(unit: Any) -> None:
        row = unit.environments.by_name(ada.id, "prod")
        unit.environments.change(row, sealing="client")

    write(vault.services, seal)
    for answer in (kv("GET", "secret/data/prod"), kv.put("prod", {"A": "2"})):
        assert answer.status == 400
        assert "device" in answer.errors[0]


def test_a_forged_row_is_a_bare_500(ada: Caller, kv: Kv, vault: Vault) -> None:
    kv.put("prod", {"A": "canary"})
    run_sql(
        vault.services, "UPDATE environments SET max_versions = 7 WHERE owner_id = :id AND name = 'prod'", id=ada.id
    )
    for answer in (kv("GET", "secret/data/prod"), kv.put("prod", {}), kv("GET", "secret/metadata/prod")):
        assert (answer.status, answer.errors) == (500, ["internal error"])


def test_a_full_quota_is_told_and_nothing_is_stored(ada: Caller, kv: Kv, vault: Vault) -> None:
    kv.put("prod", {"A": "1"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault.services.environments.environments, "_quota", 1)
        answer = kv.put("another", {"A": "1"})
    assert (answer.status, len(answer.errors)) == (400, 1)
    assert kv("LIST", "secret/metadata").data["keys"] == ["prod"]
