"""The description of the API: OpenAPI 3.1, and true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.conftest import Caller, Vault
from tests.api.test_matrix import PUBLIC, routes

METHODS = {"get", "put", "post", "patch", "delete"}


@pytest.fixture
def document(vault: Vault) -> dict[str, Any]:
    found: dict[str, Any] = vault.anyone().ok("GET", "/openapi.json")
    return found


def as_path(rule: str) -> str:
    """A rule of Flask's as OpenAPI writes it."""
    return re.sub(r"<[^>]*?(\w+)>", r"{\1}", rule)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS & set(item):
            yield method, path, item[method], item


def test_it_is_openapi_3_1_and_public(vault: Vault, document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert {"title", "version"} <= set(document["info"])
    assert vault.anyone()("GET", "/openapi.json").headers["content-type"] == "application/json"


def test_it_lists_every_route(vault: Vault, document: dict[str, Any]) -> None:
    told = {(method.upper(), path) for method, path, *_ in operations(document)}
    described = {
        (method, as_path(rule))
        for method, rule in routes(vault)
        if rule.startswith("/api/v1/") and rule not in ("/api/v1/openapi.json", "/api/v1/reference")
    }
    assert told == described


def test_every_call_but_the_login_needs_a_bearer(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["bearer"] == {"type": "http", "scheme": "bearer"}
    assert document["security"] == [{"bearer": []}]
    open_calls = {
        (method.upper(), path)
        for method, path, operation, _ in operations(document)
        if operation.get("security") is not None
    }
    assert open_calls == {
        ("POST", "/api/v1/sessions"),
        ("POST", "/api/v1/sessions/challenges"),
        ("POST", "/api/v1/sessions/challenges/{challenge_id}"),
    }
    assert all(document["paths"][path]["post"]["security"] == [] for _, path in open_calls)
    assert {(method, path) for method, path in open_calls} <= {(method, as_path(rule)) for method, rule in PUBLIC}


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(item: Any) -> Iterator[str]:
        if isinstance(item, dict):
            if isinstance(item.get("$ref"), str):
                yield item["$ref"]
            for inner in item.values():
                yield from references(inner)
        elif isinstance(item, list):
            for inner in item:
                yield from references(inner)

    found = set(references(document))
    assert found
    for reference in found:
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_every_name_in_an_address_is_a_parameter(document: dict[str, Any]) -> None:
    for method, path, operation, item in operations(document):
        told = {
            parameter["name"]
            for parameter in [*item.get("parameters", []), *operation.get("parameters", [])]
            if parameter["in"] == "path"
        }
        assert told == set(re.findall(r"{(\w+)}", path)), (method, path)


def test_operations_have_ids_of_their_own_summaries_and_answers(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation, _ in operations(document) if "operationId" in operation]
    assert len(ids) == len(set(ids))
    for method, path, operation, _ in operations(document):
        assert operation["summary"], (method, path)
        assert [status for status in operation["responses"] if str(status).startswith("2")], (method, path)


def test_what_a_call_answers_has_the_fields_that_are_described(ada: Caller, document: dict[str, Any]) -> None:
    made = ada.make("prod", A="1")
    token = ada.ok("POST", "/tokens", {"name": "t", "grants": [{"globals": True, "permissions": ["read"]}]})
    for name, answer in (
        ("Environment", made),
        ("Variables", ada.ok("GET", "/environments/prod/variables")),
        ("Variable", ada.ok("GET", "/environments/prod/variables")["variables"][0]),
        ("Revision", ada.ok("GET", "/environments/prod/revisions")["items"][0]),
        ("Values", ada.ok("GET", "/environments/prod/values")),
        ("Token", ada.ok("GET", f"/tokens/{token['id']}")),
        # Each problem has one of these two besides, or neither.
        ("Problem", {**ada("POST", "/environments", {"name": ".."}).json, "challenge": {}}),
    ):
        (schema,) = [
            schema
            for title, schema in document["components"]["schemas"].items()
            if re.fullmatch(f"{name}(Answer|Schema)?", title) and set(schema["properties"]) == set(answer)
        ] or [None]
        assert schema is not None, (name, set(answer), sorted(document["components"]["schemas"]))
