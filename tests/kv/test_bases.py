"""Base environments under `/v1`: a version holds an environment's own names, and `?resolve=true` reads the bases."""

from __future__ import annotations

import pytest

from tests.api.conftest import Caller, Vault
from tests.kv.conftest import Kv
from tests.support.vaults import HOST
from vault.services.environments.values import BASE_GONE, LAYER_EMPTY, LAYER_LEFT_OUT


@pytest.fixture(autouse=True)
def on_bases(vault: Vault, ada: Caller) -> None:
    vault.services.keys.upgrading.open(HOST)
    ada.make("common", HOST="{{REGION}}.example", REGION="none", ONLY="common")
    ada.make("eu", REGION="eu")
    ada.make("prod", URL="https://{{HOST}}", REF="{{ONLY}}")
    ada.ok("PATCH", "/environments/prod", {"bases": ["common", "eu"]})


def test_a_version_holds_its_own_names_with_references_resolved_through_the_bases(kv: Kv) -> None:
    assert kv.get("prod") == {"URL": "https://{{HOST}}", "REF": "{{ONLY}}"}
    for path in ("secret/data/prod", "kv/prod"):
        data = kv("GET", f"{path}?resolve=true").data
        found = data["data"] if "metadata" in data else data
        assert found == {"URL": "https://eu.example", "REF": "common"}


def test_only_a_resolved_answer_changes_with_a_base(ada: Caller, kv: Kv) -> None:
    plain = kv("GET", "secret/data/prod").headers["etag"]
    resolved = kv("GET", "secret/data/prod?resolve=true").headers["etag"]
    assert kv("GET", "secret/data/prod?resolve=true", If_None_Match=resolved).status == 304
    ada.ok("PATCH", "/environments/common/variables", {"variables": {"ONLY": "new"}})
    assert kv("GET", "secret/data/prod", If_None_Match=plain).status == 304
    answer = kv("GET", "secret/data/prod?resolve=true", If_None_Match=resolved)
    assert (answer.status, answer.data["data"]["REF"]) == (200, "new")


def test_a_base_that_was_not_granted_resolves_nothing_and_is_not_named(ada: Caller) -> None:
    token = ada.token({"path": "prod", "permissions": ["read"]}, {"path": "eu", "permissions": ["read"]})
    answer = Kv(token.app, token.secret)("GET", "secret/data/prod?resolve=true")
    assert answer.data["data"] == {"URL": "https://{{HOST}}", "REF": "{{ONLY}}"}
    assert LAYER_LEFT_OUT in answer.json["warnings"]
    assert "common" not in answer.body.decode()


@pytest.mark.parametrize(
    ("path", "lack"),
    [
        ("secret/metadata/common", "Its values lack what came from it."),
        ("kv/common", "Its values lack what came from it until it is undeleted."),
    ],
)
def test_a_base_that_a_vault_client_deleted_is_left_out(path: str, lack: str, kv: Kv) -> None:
    answer = kv("DELETE", path)
    assert (answer.status, answer.json["data"]) == (200, None)
    assert answer.json["warnings"] == [f"1 environment has this one as a base. {lack}"]
    # A second deletion has nothing to warn of, and neither has one of an environment that is no base.
    assert kv("DELETE", path).status == 204
    assert kv("DELETE", path.replace("common", "no-base")).status == 204
    answer = kv("GET", "secret/data/prod?resolve=true")
    assert answer.data["data"] == {"URL": "https://{{HOST}}", "REF": "{{ONLY}}"}
    assert BASE_GONE in answer.json["warnings"]


def test_a_base_whose_version_is_hidden_or_destroyed_is_empty(ada: Caller, kv: Kv) -> None:
    for verb in ("delete", "destroy"):
        assert kv("POST", f"secret/{verb}/common", {"versions": [1]}).status == 204
        answer = kv("GET", "secret/data/prod?resolve=true")
        assert answer.data["data"] == {"URL": "https://{{HOST}}", "REF": "{{ONLY}}"}
        assert LAYER_EMPTY in answer.json["warnings"]
