"""Basic and API-key credentials on our own face: a service token that only reads, unless it says otherwise."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.api.conftest import Caller, Vault
from vault.observe import MASK, mask_secrets

ALL = ["list", "read", "create", "update", "delete", "history", "delegate"]


def _basic(secret: str, user: str = "token") -> dict[str, Any]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


def _key(secret: str) -> dict[str, Any]:
    return {"X_API_Key": secret}


@pytest.mark.parametrize("shape", [_basic, _key])
def test_a_token_reads(ada: Caller, vault: Vault, shape: Any) -> None:
    ada.make("prod", A="1")
    token = ada.token({"path": "*", "permissions": ["read"]})
    answer = vault.anyone()("GET", "/environments/prod/values", **shape(token.secret))
    assert answer.json["values"] == {"A": "1"}


_WRITES = [
        ("PATCH", "/environments/prod/variables"), ("DELETE", "/environments/prod"), ("POST", "/environments"),
        ("POST", "/tokens"), ("POST", "/tokens/{id}/rotate"), ("DELETE", "/tokens/{id}"), ("FOO", "/environments"),
]  # fmt: skip


@pytest.mark.parametrize("shape", [_basic, _key])
def test_a_token_writes_nothing(ada: Caller, vault: Vault, shape: Any) -> None:
    ada.make("prod", A="1")
    token = ada.token({"path": "*", "permissions": ALL})
    for method, path in _WRITES:
        answer = vault.anyone()(method, path.format(id=token.id), {}, **shape(token.secret))
        assert (answer.status, answer.code) == (403, "forbidden")
    assert ada.ok("GET", "/environments/prod/values")["values"] == {"A": "1"}
    assert ada.ok("GET", f"/tokens/{token.id}")["id"] == token.id


@pytest.mark.parametrize("shape", [_basic, _key])
def test_a_token_writes_where_its_metadata_says_so(ada: Caller, vault: Vault, shape: Any) -> None:
    ada.make("prod", A="1")
    body = {"variables": {"A": "2"}}
    for word, status in (("true", 200), ("True", 403), ("yes", 403), ("", 403)):
        token = ada.token({"path": "*", "permissions": ALL}, metadata={"header_writes": word})
        assert vault.anyone()("PATCH", "/environments/prod/variables", body, **shape(token.secret)).status == status


def test_the_same_token_writes_as_a_bearer(ada: Caller) -> None:
    ada.make("prod", A="1")
    token = ada.token({"path": "*", "permissions": ALL})
    assert token("PATCH", "/environments/prod/variables", {"variables": {"A": "2"}}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic"}, {"Authorization": "Basic !!!"}, {"Authorization": "Basic AAAA"},
        {"Authorization": "Basic dG9rZW4="}, {"Authorization": "Basic /////w=="}, {"X_API_Key": "junk"},
        {"X_API_Key": "srm_t_" + "0" * 61}, _basic("junk"),
    ],
)  # fmt: skip
def test_what_is_no_credential_is_401(vault: Vault, headers: dict[str, Any]) -> None:
    answer = vault.anyone()("GET", "/environments", **headers)
    assert (answer.status, answer.code) == (401, "not_authenticated")


def test_a_password_and_a_session_are_no_such_credentials(ada: Caller, vault: Vault) -> None:
    from tests.support.vaults import PASSWORD

    for headers in (_basic(PASSWORD, ada.username), _basic(ada.secret), _key(ada.secret), _basic(ada.secret, "")):
        assert vault.anyone()("GET", "/environments", **headers).status == 401


def test_the_user_is_token(ada: Caller, vault: Vault) -> None:
    token = ada.token({"path": "*", "permissions": ["list"]})
    assert vault.anyone()("GET", "/environments", **_basic(token.secret, "ada")).status == 401
    assert vault.anyone()("GET", "/environments", **_basic(token.secret)).status == 200


def test_a_bearer_credential_comes_first(ada: Caller, bob: Caller, vault: Vault) -> None:
    ada.make("prod")
    token = bob.token({"path": "*", "permissions": ["list"]})
    assert len(ada.ok("GET", "/environments", X_API_Key=token.secret)["items"]) == 1


def test_vaults_face_takes_neither(ada: Caller, vault: Vault) -> None:
    token = ada.token({"path": "*", "permissions": ALL})
    for headers in (_basic(token.secret), _key(token.secret)):
        assert vault.anyone().at("GET", "/v1/auth/token/lookup-self", **headers).status == 403


def test_logs_show_none_of_them() -> None:
    secret = "srm_t_" + "Ab1" * 20 + "x"
    event = {
        "X-API-Key": "k1", "x_vault_token": "k2", "headers": {"Authorization": "k3", "secret_id": "k4"},
        "note": f"with {secret} in it", "api_key": "k5", "client_token": "k6",
    }  # fmt: skip
    shown = json.dumps(mask_secrets(None, "", event))
    assert secret not in shown
    assert not any(f'"k{number}"' in shown for number in range(1, 7))
    assert shown.count(MASK) == 7
