"""The one spelling of an address under `/v1`, and what is said of a path that can name nothing."""

from __future__ import annotations

import itertools

import pytest

from tests.api.conftest import Caller
from tests.kv.conftest import Kv, kv_of

CALLS = [
    ("GET", "secret/data/{}"), ("POST", "secret/data/{}"), ("DELETE", "secret/data/{}"), ("PATCH", "secret/data/{}"),
    ("GET", "secret/metadata/{}"), ("LIST", "secret/metadata/{}"), ("PUT", "secret/metadata/{}"), ("GET", "kv/{}"),
    ("PUT", "kv/{}"), ("LIST", "kv/{}"), ("POST", "secret/destroy/{}"), ("GET", "secret/subkeys/{}"),
    ("GET", "secret/destroy/{}"), ("GET", "sys/internal/ui/mounts/{}"), ("GET", "sys/nothing/{}"),
]  # fmt: skip

# An address is parsed before any database is asked.
pytestmark = pytest.mark.parametrize("vault", ["sqlite"], indirect=True)

_PART = "A path must not have an empty, '.' or '..' part between its slashes."
_HIDDEN = "A path must not have '.' or '..' before a ';' or beside a backslash."
_CONTROL = "A path must not contain control characters."


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/app", _PART), ("team//app", _PART), ("team/app//", _PART), ("./app", _PART), ("team/../app", _PART),
        ("%2fapp", _PART), ("team%2F%2Fapp", _PART), ("%2e%2e/app", _PART), ("team%2f..%2Fapp", _PART),
        ("..;/app", _HIDDEN), ("team/..;x=1/app", _HIDDEN), ("%2e%2e%3b/app", _HIDDEN), ("team/.;", _HIDDEN),
        ("team/..%5Capp", _HIDDEN), ("team%5C..", _HIDDEN), ("team%5c..%5capp", _HIDDEN), ("..%5c..;a/b", _HIDDEN),
        ("a%0ab", _CONTROL), ("a%0d%0ab", _CONTROL), ("a%00", _CONTROL), ("%09", _CONTROL), ("a%7f", _CONTROL),
        ("a%c2%85b", _CONTROL), ("%ff", "The path must be UTF-8."), ("a/%ed%a0%80", "The path must be UTF-8."),
    ],
)  # fmt: skip
def test_a_path_that_names_nothing_has_one_answer(kv: Kv, name: str, reason: str) -> None:
    for method, path in CALLS:
        answer = kv(method, path.format(name), {"data": {}, "versions": [1]} if method not in ("GET", "LIST") else None)
        assert (answer.status, answer.errors) == (400, [reason]), (method, path)


def test_no_reason_is_given_without_a_token(kv: Kv) -> None:
    for method, path in CALLS:
        assert kv.as_("")(method, path.format("/app")).errors == ["permission denied"]


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("team%2Fapp", "team/app"), ("team%2fapp%2Fdb", "team/app/db"), ("team/a%2Fb", "team/a/b"),
        ("a%20b", "a b"), ("100%25", "100%"), ("a%252Fb", "a%2Fb"), ("v1%2E2", "v1.2"), ("a%5Cb", "a\\b"),
        ("a%3Bb", "a;b"), ("..a", "..a"), ("a..%3Bb", "a..;b"),
        ("%74eam", "team"), ("caf%C3%A9", "caf\u00e9"), ("a%3Fb", "a?b"), ("a%23b", "a#b"), ("a+b", "a+b"),
    ],
)  # fmt: skip
def test_a_name_is_decoded_once(ada: Caller, kv: Kv, sent: str, name: str) -> None:
    # HashiCorp's vault-client-go sends a slash in a name as %2F.
    assert kv.put(sent, {"A": "1"}).status == 200
    assert [item["name"] for item in ada.ok("GET", "/environments")["items"]] == [name]
    assert kv.get(sent) == {"A": "1"}
    assert kv("GET", f"kv/{sent}").data == {"A": "1"}
    assert kv("GET", f"secret/metadata/{sent}").data["current_version"] == 1


def test_an_encoded_slash_reaches_no_more_than_a_plain_one(ada: Caller, kv: Kv) -> None:
    kv.put("other/a", {"A": "canary"})
    kv.put("team/a", {"A": "1"})
    token = kv_of(ada.token({"path": "team", "permissions": ["read", "update", "create"]}))
    assert token.get("team%2Fa") == {"A": "1"}
    for path in ("other%2Fa", "team%2F..%2Fother%2Fa", "team/..%2fother/a", "team%2f%2e%2e%2fother/a"):
        for mount in ("secret/data/", "kv/"):
            answer = token("GET", mount + path)
            assert answer.status in (400, 403)
            assert b"canary" not in answer.body


@pytest.mark.parametrize(
    "path",
    [
        "secret%2Fdata/prod", "%73ecret/data/prod", "secret/%64ata/prod", "secret/data%2Fprod", "auth%2Ftoken/create",
        "auth/token%2Flookup-self", "auth/token/lookup%2dself", "sys%2Fmounts", "k%76/prod", "secret/metadata%2Fprod",
        "sys/internal%2Fui/mounts/secret", "%61uth/token/create",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "LIST"])
def test_the_address_before_a_name_has_one_spelling(kv: Kv, path: str, method: str) -> None:
    # A proxy's rule for `/v1/auth/token/create` sees the path as it was sent.
    answer = kv(method, path, {} if method == "POST" else None)
    assert answer.status in (400, 405)
    assert kv("LIST", "auth/token/accessors").errors == []


@pytest.mark.parametrize(
    ("method", "command"),
    [
        ("GET", "get"), ("HEAD", "get"), ("PUT", "put"), ("POST", "put"), ("PATCH", "patch"), ("DELETE", "delete"),
        ("LIST", "list"), ("GET", "list"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["secret/prod", "secret/team/prod", "secret/database", "secret/nothing/x"])
def test_version_1_at_the_mount_of_version_2_is_told(kv: Kv, path: str, method: str, command: str) -> None:
    # Ansible and others advise their users by this warning.
    query = "?list=true" if (method, command) == ("GET", "list") else ""
    answer = kv(method, path + query, {} if method in ("PUT", "POST") else None)
    assert answer.status == 404
    if method != "HEAD":
        assert answer.data is None
        assert "errors" not in answer.json
        assert answer.json["warnings"] == [
            "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to "
            f"use. If using the Vault CLI, use 'vault kv {command}' for this operation."
        ]


@pytest.mark.parametrize(("method", "path"), [*itertools.product(["GET", "PUT"], ["secret", "secret/", "secret/data"])])
def test_the_root_of_a_mount_is_a_plain_404(kv: Kv, method: str, path: str) -> None:
    assert kv(method, path).errors == []
