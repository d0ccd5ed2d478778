"""What may not be written is not parsed first, where that would cost much."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.conftest import Caller, Vault
from tests.kv.conftest import kv_of
from vault.formats import json as json_format
from vault.model import strict_json

VALUES = {f"NAME_{number}": "x" * 20 for number in range(2000)}
VARIABLES = [{"name": name, "value": value} for name, value in VALUES.items()]
LEAST = {"path": "nothing", "permissions": ["list", "read", "update"]}


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the texts that were parsed."""
    sizes: list[int] = []
    parse: Any = strict_json._parsed
    members: Any = json_format._members

    def parse_counted(body: bytes, *rest: Any) -> Any:
        sizes.append(len(body))
        return parse(body, *rest)

    def members_counted(text: str) -> Any:
        sizes.append(len(text))
        return members(text)

    monkeypatch.setattr(strict_json, "_parsed", parse_counted)
    monkeypatch.setattr(json_format, "_members", members_counted)
    return sizes


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/environments/prod/variables", {"variables": VARIABLES}),
        ("PATCH", "/environments/prod/variables", {"variables": VALUES}),
        ("PUT", "/environments/prod/variables/A", {"value": "x" * 100_000}),
        ("PUT", "/globals/variables", {"variables": VARIABLES}),
        ("PATCH", "/environments/absent/variables", {"variables": VALUES}),
        ("POST", "/environments", {"name": "new", "variables": VARIABLES}),
    ],
)
def test_a_large_body_for_what_was_not_granted_is_not_parsed(
    ada: Caller, parsed: list[int], method: str, path: str, body: Any
) -> None:
    ada.make("prod", A="1")
    token = ada.token(LEAST)
    parsed.clear()
    answer = token(method, path, body, If_Match="*")
    assert (answer.status, parsed) == (404, [])
    # The same for who may; a small one is parsed, because that costs less than to ask twice.
    assert ada(method, path, body, If_Match="*").status in (200, 201, 404, 412)
    assert len(parsed) == 1
    token(method, path, {}, If_Match="*")
    assert len(parsed) == 2


def test_the_file_of_an_import_that_was_not_granted_is_not_read(ada: Caller, parsed: list[int]) -> None:
    ada.make("prod", A="1")
    token, reader = ada.token(LEAST), ada.token({"path": "*", "permissions": ["read"]})
    text = json.dumps(VALUES)
    parsed.clear()
    body = {"environment": "prod", "format": "json", "text": text}
    assert reader("POST", "/import", body).status == 404
    assert parsed == []
    assert token("POST", "/import", body).status == 404
    assert len(parsed) == 1  # The body, which names the environment, and not the file in it.
    assert token("POST", "/import", {**body, "text": "{}"}).status == 404
    assert len(parsed) == 2


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "secret/data/prod", {"data": VALUES}),
        ("PATCH", "secret/data/prod", {"data": VALUES}),
        ("PUT", "secret/data/absent", {"data": VALUES}),
        ("POST", "kv/prod", VALUES),
    ],
)
def test_the_same_for_vault_clients(ada: Caller, parsed: list[int], method: str, path: str, body: Any) -> None:
    ada.make("prod", A="1")
    token = kv_of(ada.token(LEAST))
    parsed.clear()
    answer = token(method, path, body, Content_Type="application/merge-patch+json")
    assert (answer.status, parsed) == (403, [])
    assert kv_of(ada)(method, path, body, Content_Type="application/merge-patch+json").status in (200, 204)
    assert len(parsed) == 1


@pytest.mark.parametrize("secret", ["", "srm_t_" + "a" * 61, "srm_s_x", "junk"])
def test_without_a_valid_credential_no_body_is_parsed_on_any_face(vault: Vault, parsed: list[int], secret: str) -> None:
    caller = vault.anyone(secret)
    for path in ("/tokens", "/environments", "/import", "/operator/keys/rotate", "/nothing", "/sessions/step-up"):
        assert caller("POST", path, {"a": 1}).status == 401, path
    kv = kv_of(caller)
    for path in ("secret/data/a", "auth/token/create", "sys/capabilities-self", "sys/wrapping/wrap", "nothing"):
        assert kv("POST", path, {"a": 1}).status == 403, path
    for path in ("/environments", "/environments/a/save", "/lines", "/tokens"):
        assert caller.at("POST", path, {"a": 1}, Cookie="__Host-strongroom=junk").status == 303, path
    assert parsed == []
