"""What cannot be read or does not exist: RFC 9457 problems, and nothing stored."""

from __future__ import annotations

import json

import pytest

from tests.api.conftest import Caller, Vault
from vault.errors import DatabaseUnavailable, OutcomeUnknown, TooManyRequests
from vault.storage import Stale, Storage

DEEP = 100_000

BAD_JSON: dict[str, bytes] = {
    "nothing but a word": b"junk",
    "cut off": b'{"name": "prod"',
    "two documents": b'{"name": "prod"} {}',
    "NaN": b'{"name": "prod", "max_versions": NaN}',
    "Infinity": b'{"name": "prod", "max_versions": -Infinity}',
    "a name twice": b'{"name": "prod", "name": "other"}',
    "a name twice inside": b'{"name": "prod", "variables": [{"name": "A", "value": "1", "value": "2"}]}',
    "100,000 lists deep": b"[" * DEEP + b"]" * DEEP,
    "100,000 objects deep": b'{"name":' * DEEP + b"1" + b"}" * DEEP,
    "deep below a field": b'{"name": "prod", "variables": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "invalid UTF-8": b'{"name": "\xff\xfe"}',
    "UTF-16": '{"name": "prod"}'.encode("utf-16"),
    "an overlong slash": b'{"name": "a\xc0\xafb"}',
    "a byte order mark": b'\xef\xbb\xbf{"name": "prod"}',
    "a number of 5,000 digits": b'{"name": "prod", "max_versions": ' + b"9" * 5000 + b"}",
    "a raw control character": b'{"name": "a\nb"}',
    "single quotes": b"{'name': 'prod'}",
}


@pytest.mark.parametrize("what", BAD_JSON)
def test_a_body_that_is_no_json_is_a_400_and_stores_nothing(ada: Caller, what: str) -> None:
    ada.make("there", A="1")
    calls = (("POST", "/environments"), ("PATCH", "/environments/there/variables"), ("POST", "/import"))
    for method, path in calls:
        answer = ada(method, path, raw=BAD_JSON[what], Idempotency_Key="k")
        assert (answer.status, answer.code) == (400, "bad_json")
    assert [(item["name"], item["revision"]) for item in ada.ok("GET", "/environments")["items"]] == [("there", 1)]


@pytest.mark.parametrize("raw", [b"", b"{}", b"null", b"[]", b'"text"', b"5", b"true"])
def test_a_body_that_says_nothing_is_refused_and_stores_nothing(ada: Caller, raw: bytes) -> None:
    ada.make("there", A="1")
    for method, path in (("POST", "/environments"), ("PATCH", "/environments/there/variables"), ("POST", "/tokens")):
        answer = ada(method, path, raw=raw)
        assert (answer.status, answer.code) == (422, "invalid_input")
    assert [item["revision"] for item in ada.ok("GET", "/environments")["items"]] == [1]


@pytest.mark.parametrize("depth", [100, 500, 5000])
def test_nesting_that_python_can_still_read_is_refused_before_it_is_read(ada: Caller, depth: int) -> None:
    body = b'{"name": "prod", "metadata": ' + b'{"a":' * depth + b'"\\ud800"' + b"}" * depth + b"}"
    answer = ada("POST", "/environments", raw=body)
    assert (answer.status, answer.code) == (400, "bad_json")


def test_a_number_beyond_all_floats_is_no_number_of_versions(ada: Caller) -> None:
    answer = ada("POST", "/environments", raw=b'{"name": "prod", "max_versions": 1e400}')
    assert (answer.status, answer.json["path"]) == (422, "max_versions")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/environments", {"name": "new"}),
        ("PATCH", "/environments/prod", {"description": "d"}),
        ("POST", "/environments/prod/undelete", {}),
        ("POST", "/environments/prod/copy", {"name": "new"}),
        ("PUT", "/environments/prod/variables", {"variables": []}),
        ("PATCH", "/environments/prod/variables", {"variables": {}}),
        ("PUT", "/environments/prod/variables/A", {"value": "2"}),
        ("POST", "/environments/prod/rollback", {"revision": 1}),
        ("POST", "/tokens", {"name": "t", "grants": [{"globals": True, "permissions": ["read"]}]}),
        ("POST", "/import", {"environment": "prod", "format": "dotenv", "text": "Z=1"}),
        ("POST", "/sessions", {"username": "a", "password": "b"}),
        ("POST", "/sessions/step-up", {"password": "b"}),
        ("PUT", "/me/password", {"current_password": "a", "new_password": "b"}),
        ("DELETE", "/me", {"password": "b"}),
    ],
)
def test_an_unknown_field_is_refused_by_its_name(ada: Caller, method: str, path: str, body: dict[str, object]) -> None:
    ada.make("prod", A="1")
    answer = ada(method, path, {**body, "nonsense": 1}, If_Match="*")
    assert (answer.status, answer.code, answer.json["path"]) == (422, "invalid_input", "nonsense")
    assert ada.ok("GET", "/environments/prod")["revision"] == 1


def test_a_problem_has_the_fields_of_rfc_9457(ada: Caller) -> None:
    answer = ada("POST", "/environments", {"name": ".."})
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json) == {"type", "title", "status", "detail", "code", "path", "request_id"}
    assert answer.json["type"] == "urn:strongroom:problem:invalid_input"
    assert (answer.json["title"], answer.json["status"]) == ("Unprocessable Entity", 422)
    assert answer.json["detail"].endswith(".")
    assert set(ada("GET", "/environments/never").json) == set(answer.json) - {"path"}


@pytest.mark.parametrize(
    "address",
    ["/api/v1/nothing", "/api/v1/", "/api/v1/environments/prod/nothing", "/api/v1//environments",
     "/api/v1/environments//prod", "/api/v1/environments/prod//values", "/api/v1/./me", "/api/v1/x/../me", "/API/v1/me",
     "/api/v2/me", "/api/v1/me/..", "/api/v1/environments/prod/revisions/1/2"],
)  # fmt: skip
def test_an_unknown_address_is_not_found_and_leads_nowhere(ada: Caller, address: str) -> None:
    answer = ada.at("GET", address)
    assert (answer.status, answer.code) == (404, "not_found")
    assert "location" not in answer.headers


@pytest.mark.parametrize("slash", ["%2F", "%2f"])
def test_an_encoded_slash_never_splits_a_name(ada: Caller, slash: str) -> None:
    ada.make("prod", A="1")
    for method, path in (
        ("GET", f"/environments/prod{slash}values"),
        ("GET", f"/environments/prod{slash}variables{slash}A"),
        ("DELETE", f"/environments/prod{slash}variables{slash}A"),
        ("GET", f"/environments{slash}prod"),
        ("GET", f"/environments/..{slash}me"),
    ):
        assert ada(method, path).code == "not_found"
    assert ada.ok("GET", "/environments/prod")["revision"] == 1


@pytest.mark.parametrize("dots", ["..", ".", "%2e%2e", "%2E%2E", ".%2e", "%252e%252e", "%c0%ae%c0%ae", "..%5c"])
def test_dots_are_a_name_like_any_other_and_not_a_way_up(ada: Caller, dots: str) -> None:
    for path in (f"/environments/{dots}", f"/environments/{dots}/values", f"/environments/x/{dots}/{dots}/me"):
        assert ada("GET", path).code == "not_found"
    assert ada.at("GET", f"/api/v1/environments/{dots}/me").code == "not_found"


@pytest.mark.parametrize(
    ("method", "path", "argument"),
    [
        ("GET", "/environments/a%00b", "env"), ("GET", "/environments/%00/values", "env"),
        ("DELETE", "/environments/a%00b", "env"), ("POST", "/environments/a%00b/undelete", "env"),
        ("PUT", "/globals/variables/a%00b", "name"), ("GET", "/globals/variables/a%00b", "name"),
        ("GET", "/environments?name=a%00b", "name"),
    ],
)  # fmt: skip
def test_a_nul_in_an_address_is_refused(ada: Caller, method: str, path: str, argument: str) -> None:
    answer = ada(method, path, {"value": "x"} if method == "PUT" else None)
    assert (answer.status, answer.code, answer.json["path"]) == (422, "invalid_input", argument)


@pytest.mark.parametrize("id", ["a%00b", "a%0ab", "x", "%EF%BC%91" * 12, "0B8C6C38-6BD0-4A4E-9D7E-0D4F6F3D8C11"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/tokens"), ("DELETE", "/tokens"), ("DELETE", "/sessions")])
def test_an_id_that_no_id_looks_like_is_not_found(ada: Caller, method: str, path: str, id: str) -> None:
    answer = ada(method, f"{path}/{id}")
    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize("body", [{"username": "a\0b", "password": "x"}, {"username": "\ud800", "password": "x"}])
def test_a_login_with_a_name_that_no_database_holds_is_refused(vault: Vault, body: dict[str, str]) -> None:
    answer = vault.anyone()("POST", "/sessions", body)
    assert (answer.status, answer.json["path"]) == (422, "username")


def test_half_a_surrogate_pair_is_refused_with_its_path(ada: Caller) -> None:
    for raw, path in (
        (rb'{"name": "x", "description": "\ud800"}', "description"),
        (rb'{"name": "\udfff"}', "name"),
        (rb'{"name": "x", "variables": [{"name": "A", "value": "1"}, {"name": "B", "value": "\ud83d"}]}',
         "variables.1.value"),
    ):  # fmt: skip
        answer = ada("POST", "/environments", raw=raw)
        assert (answer.status, answer.json["path"]) == (422, path)
    assert ada("POST", "/environments", raw=rb'{"name": "\ud83d\ude00"}').json["name"] == "\U0001f600"
    assert [item["name"] for item in ada.ok("GET", "/environments")["items"]] == ["\U0001f600"]


def test_bytes_that_are_no_utf_8_in_an_address_find_nothing(ada: Caller) -> None:
    assert ada("GET", "/environments/%ff%fe").code == "not_found"
    assert ada.ok("GET", "/environments?name=%ff")["items"] == []
    answer = ada("GET", "/environments?name=\u00ff")
    assert (answer.status, answer.code) == (422, "invalid_input")


def test_a_trailing_slash_changes_nothing(ada: Caller) -> None:
    ada.make("prod", A="1")
    for path in ("/me", "/environments", "/environments/prod", "/environments/prod/values"):
        assert ada("GET", path).body == ada("GET", path + "/").body


def test_head_answers_as_get_without_a_body(ada: Caller) -> None:
    ada.make("prod", A="1")
    for path in ("/me", "/environments/prod", "/environments/prod/values"):
        head, get = ada("HEAD", path), ada("GET", path)
        assert (head.status, head.body) == (200, b"")
        assert head.headers == get.headers


def test_options_tells_the_methods(ada: Caller) -> None:
    answer = ada("OPTIONS", "/environments/never/variables")
    assert answer.status == 200
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "PUT", "PATCH", "OPTIONS"}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/environments/prod", {"GET", "HEAD", "PATCH", "DELETE", "OPTIONS"}),
        ("DELETE", "/globals", {"GET", "HEAD", "PATCH", "OPTIONS"}),
        ("TRACE", "/me", {"GET", "HEAD", "DELETE", "OPTIONS"}),
        ("BREW", "/me/password", {"PUT", "OPTIONS"}),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(ada: Caller, method: str, path: str, allowed: set[str]) -> None:
    answer = ada(method, path)
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == allowed


def test_what_says_when_to_come_back_says_it_in_a_header(
    vault: Vault, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, status in (
        (TooManyRequests(retry_after_seconds=7), 429),
        (DatabaseUnavailable(retry_after_seconds=7), 503),
        (OutcomeUnknown(retry_after_seconds=7), 503),
    ):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(type(vault.services.environments.environments), "get", fail)
            answer = ada("GET", "/environments/prod")
        assert (answer.status, answer.headers["retry-after"]) == (status, "7")


def test_an_error_that_nobody_expected_tells_nothing(
    vault: Vault, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(type(vault.services.environments.environments), "get", fail)
    answer = ada("GET", "/environments/prod")
    assert (answer.status, answer.code) == (500, "internal")
    assert answer.json["detail"] == "The server failed to answer."
    assert b"canary" not in answer.body


def test_a_write_that_many_others_hinder_is_told_to_come_back(
    vault: Vault, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def fail(*_: object, **__: object) -> None:
        tries.append(1)
        raise Stale()

    monkeypatch.setattr(type(vault.services.environments.variables), "patch", fail)
    answer = ada("PATCH", "/globals/variables", {"variables": {}})
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "unavailable", "1")
    assert 1 < len(tries) < 20


def test_readiness_says_why_the_database_is_of_no_use(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(vault.anyone().at("GET", "/readyz").body) == {"status": "ok"}

    def fail(_self: Storage) -> None:
        raise DatabaseUnavailable()

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "read", fail)
        # Nobody who asks makes it look again: a job does.
        assert vault.anyone().at("GET", "/readyz").status == 200
        vault.services.readiness.check()
        answer = vault.anyone().at("GET", "/readyz")
        assert (answer.status, answer.code, "retry-after" in answer.headers) == (503, "not_ready", True)
        assert list(json.loads(answer.body)["reasons"]) == ["database_held"]
    vault.services.readiness.check()
    assert vault.anyone().at("GET", "/readyz").status == 200


def test_a_locked_vault_answers_nobody(vault: Vault, ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault.services.instance, "_flag", True)
    for answer in (
        ada("GET", "/me"),
        vault.anyone().at("GET", "/readyz"),
        vault.anyone()("POST", "/sessions", {"username": ada.username, "password": "x"}),
    ):
        assert (answer.status, answer.code, "retry-after" in answer.headers) == (503, "vault_locked", True)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/environments/prod/values?format=dotenv&format=json", "format"),
        ("/environments/prod/values?globals=true&resolve=true&globals=true", "globals"),
        ("/environments/prod/export?format=json&format=", "format"),
        ("/environments?limit=1&limit=2", "limit"),
        ("/tokens?cursor=&cursor=", "cursor"),
    ],
)
def test_a_parameter_that_is_given_twice_is_refused_by_its_name(ada: Caller, path: str, name: str) -> None:
    ada.make("prod", A="1")
    answer = ada("GET", path)
    assert (answer.status, answer.code, answer.json["path"]) == (422, "invalid_input", name)
    assert "only once" in answer.json["detail"]
