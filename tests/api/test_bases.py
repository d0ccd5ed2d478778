"""`bases` of environments: set with POST and PATCH, told in every answer, and what a deletion warns of."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Caller, Vault
from tests.support.vaults import HOST
from vault.services.environments.values import BASE_GONE, GLOBALS_LEFT_OUT, LAYER_LEFT_OUT

UNKNOWN = "0b8c6c38-6bd0-4a4e-9d7e-0d4f6f3d8c11"


@pytest.fixture(autouse=True)
def upgraded(vault: Vault) -> None:
    """The row format with `base_ids` is open, as a job opens it once no older release runs."""
    vault.services.keys.upgrading.open(HOST)


def test_bases_are_set_by_name_or_id_and_told_by_id(ada: Caller) -> None:
    common, eu = ada.make("common", A="common", B="common"), ada.make("eu", A="eu")
    body = {"name": "prod", "bases": ["common", eu["id"].upper()], "variables": [{"name": "C", "value": "{{A}}"}]}
    made = ada.ok("POST", "/environments", body)
    assert made["bases"] == [common["id"], eu["id"]]
    assert ada.ok("GET", "/environments/prod")["bases"] == made["bases"]
    assert {item["name"]: item["bases"] for item in ada.ok("GET", "/environments")["items"]} == {
        "common": [], "eu": [], "prod": made["bases"]
    }  # fmt: skip
    assert ada.ok("GET", "/environments/prod/values")["values"] == {"A": "eu", "B": "common", "C": "eu"}
    assert json.loads(ada("GET", "/environments/prod/export?format=json").body) == {"C": "{{A}}"}


def test_a_change_replaces_the_list_and_leaves_it_when_it_says_nothing(ada: Caller) -> None:
    common, eu = ada.make("common"), ada.make("eu")
    ada.make("prod")
    wishes = {"name": "live", "bases": ["eu", "common"], "description": "d"}
    changed = ada.ok("PATCH", "/environments/prod", wishes)
    assert (changed["name"], changed["bases"], changed["description"]) == ("live", [eu["id"], common["id"]], "d")
    assert ada.ok("PATCH", "/environments/live", {"description": "e"})["bases"] == [eu["id"], common["id"]]
    assert ada.ok("PATCH", "/environments/live", {"bases": ["common"]})["bases"] == [common["id"]]
    assert ada.ok("POST", "/environments/live/copy", {"name": "copy"})["bases"] == [common["id"]]
    assert ada.ok("PATCH", "/environments/live", {"bases": []})["bases"] == []


@pytest.mark.parametrize(
    ("bases", "path"),
    [
        ("common", "bases"),
        ({"common": 1}, "bases"),
        (5, "bases"),
        (None, "bases"),
        ([5], "bases.0"),
        ([None], "bases.0"),
        ([["common"]], "bases.0"),
        ([""], "bases.0"),
        (["common", "a\0b"], "bases.1"),
        (["common", "unknown"], "bases.1"),
        ([UNKNOWN], "bases.0"),
        (["x" * 2000], "bases.0"),
        (["common"] * 9, "bases"),
        ([f"unknown-{number}" for number in range(9)], "bases"),
        (["common", "common"], "bases.1"),
        (["globals-id"], "bases.0"),
    ],
)
def test_bases_that_cannot_be_change_nothing(ada: Caller, bases: Any, path: str) -> None:
    ada.make("common", A="1")
    made = ada.make("prod", A="1")
    if bases == ["globals-id"]:
        bases = [ada.ok("GET", "/globals")["id"]]
    for method, address, body in (
        ("PATCH", "/environments/prod", {"description": "new", "bases": bases}),
        ("POST", "/environments", {"name": "other", "bases": bases}),
    ):
        answer = ada(method, address, body)
        assert (answer.status, answer.code, answer.json["path"]) == (422, "invalid_input", path), answer.body
    assert ada.ok("GET", "/environments/prod") == made
    assert len(ada.ok("GET", "/environments")["items"]) == 2


def test_a_long_list_is_refused_by_its_length(ada: Caller) -> None:
    ada.make("prod")
    for length in (9, 1000):
        answer = ada("PATCH", "/environments/prod", {"bases": [{"not": "looked at"}] * length})
        assert (answer.status, answer.json["path"]) == (422, "bases")
        assert "At most 8 items" in answer.json["detail"]


def test_an_environment_is_no_base_of_itself_by_name_or_id(ada: Caller) -> None:
    made = ada.make("prod")
    for reference in ("prod", made["id"]):
        answer = ada("PATCH", "/environments/prod", {"bases": [reference]})
        assert (answer.status, answer.json["path"]) == (422, "bases")
        assert "cannot be its own base" in answer.json["detail"]
    # The name is not taken yet when a new environment names it.
    assert ada("POST", "/environments", {"name": "new", "bases": ["new"]}).status == 422
    assert ada("GET", "/environments/new").code == "not_found"


def test_somebody_else_s_environment_is_answered_as_an_unknown_one(ada: Caller, bob: Caller) -> None:
    his = bob.make("his", SECRET="bob")
    ada.make("prod")

    def told(caller: Caller, reference: str) -> dict[str, Any]:
        answer = caller("PATCH", "/environments/prod", {"bases": [reference]})
        return {"status": answer.status} | {name: answer.json[name] for name in answer.json if name != "request_id"}

    assert told(ada, his["id"]) == told(ada, UNKNOWN)
    assert told(ada, "his") == told(ada, "unknown")
    # A token learns nothing of what it may not read, either.
    hidden = ada.make("hidden")
    token = ada.token({"path": "prod", "permissions": ["list", "read", "update"]})
    assert told(token, hidden["id"]) == told(token, UNKNOWN) == told(token, his["id"])
    assert told(token, "hidden") == told(token, "unknown")
    assert told(token, UNKNOWN)["status"] == 404


def _make_loop(ada: Caller) -> None:
    ada.ok("PATCH", "/environments/hidden", {"bases": ["prod"]})


def _make_deep(ada: Caller) -> None:
    beneath: list[str] = []
    for name in ("deep-1", "deep-2", "deep-3"):
        ada.ok("POST", "/environments", {"name": name, "bases": beneath})
        beneath = [name]
    ada.ok("PATCH", "/environments/hidden", {"bases": beneath})


def _make_many(ada: Caller) -> None:
    for each in range(8):
        lower = [ada.make(f"many-{each}-{number}")["id"] for number in range(3 if each else 0)]
        ada.ok("POST", "/environments", {"name": f"many-{each}", "bases": lower})
    ada.ok("PATCH", "/environments/hidden", {"bases": [f"many-{each}" for each in range(8)]})


@pytest.mark.parametrize("make", [_make_loop, _make_deep, _make_many])
def test_a_limit_tells_a_token_nothing_of_what_it_may_not_read(ada: Caller, make: Callable[[Caller], None]) -> None:
    for name in ("prod", "hidden", "open", "open/1", "open/2"):
        ada.make(name)
    ada.ok("PATCH", "/environments/open", {"bases": ["hidden"]})
    token = ada.token(
        {"path": "prod", "permissions": ["list", "read", "update"]}, {"path": "open", "permissions": ["read"]}
    )
    wish = {"bases": ["open", "open/1", "open/2"]}
    before = token("PATCH", "/environments/prod", wish)
    make(ada)
    after = token("PATCH", "/environments/prod", wish)
    assert (after.status, after.code, after.json["detail"]) == (before.status, before.code, before.json["detail"])
    assert after.status == 404
    # The answer tells its owner what is wrong.
    assert ada("PATCH", "/environments/prod", wish).status == 422
    assert ada.ok("GET", "/environments/prod")["bases"] == []


def test_the_globals_take_no_bases(ada: Caller) -> None:
    ada.make("common")
    answer = ada("PATCH", "/globals", {"bases": ["common"]})
    assert (answer.status, answer.json["path"]) == (422, "bases")
    by_id = ada("PATCH", f"/environments/{ada.ok('GET', '/globals')['id']}", {"bases": ["common"]})
    assert (by_id.status, by_id.json["path"]) == (422, "bases")


def test_a_deletion_warns_in_a_header_and_in_its_repeated_answer(ada: Caller) -> None:
    ada.make("common")
    for name in ("prod", "stage"):
        ada.ok("POST", "/environments", {"name": name, "bases": ["common"]})
    first = ada("DELETE", "/environments/common", Idempotency_Key="once")
    (warning,) = json.loads(first.headers["x-strongroom-warnings"])
    assert (first.status, first.body) == (204, b"")
    assert warning.startswith("2 environments have this one as a base.")
    again = ada("DELETE", "/environments/common", Idempotency_Key="once")
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["x-strongroom-warnings"] == first.headers["x-strongroom-warnings"]
    assert "x-strongroom-warnings" not in ada("DELETE", "/environments/prod").headers
    assert ada.ok("GET", "/environments/stage/values")["warnings"] == [BASE_GONE]


def test_a_base_that_a_token_may_not_read_does_not_count_towards_its_limit(ada: Caller) -> None:
    names = [f"large-{number}" for number in range(5)]
    for name in names:
        ada.make(name, **{name.upper().replace("-", "_"): "x" * 900_000})
    ada.make("small", SMALL="1")
    ada.make("prod", A="{{SMALL}}")
    ada.ok("PATCH", "/environments/prod", {"bases": ["small", *names]})
    own = {"path": "prod", "permissions": ["read"]}
    # The answer says so to its owner, and to callers that may read all of them.
    every = ada.token(own, *({"path": name, "permissions": ["read"]} for name in names))
    for caller in (ada, every):
        for address in ("/api/v1/environments/prod/values", "/v1/secret/data/prod?resolve=true"):
            answer = caller.at("GET", address)
            assert (answer.status, b"larger than 4 MiB" in answer.body) in ((422, True), (400, True)), answer.body[:200]
    # A token without rights on them reads as if there was nothing in them.
    few = ada.token(own, {"path": "small", "permissions": ["read"]}, {"path": names[0], "permissions": ["read"]})
    found = few.ok("GET", "/environments/prod/values")
    assert found["values"] == {"A": "1", "SMALL": "1", "LARGE_0": "x" * 900_000}
    assert found["warnings"] == [GLOBALS_LEFT_OUT, LAYER_LEFT_OUT]
    none = ada.token(own)
    before = none("GET", "/environments/prod/values")
    assert before.json["values"] == {"A": "{{SMALL}}"}
    read = none.at("GET", "/v1/secret/data/prod?resolve=true").json
    assert read["data"]["data"] == {"A": "{{SMALL}}"}
    # Nor do they learn when the large ones become small.
    ada.ok("PATCH", "/environments/large-4/variables", {"variables": {"LARGE_4": "y"}})
    after = none("GET", "/environments/prod/values")
    assert (after.json, after.etag) == (before.json, before.etag)
    assert none("GET", "/environments/prod/values", If_None_Match=before.etag).status == 304
