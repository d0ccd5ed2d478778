"""The description says what the API does: errors, bounds, bodies, methods and headers, walked over all routes.

tests/api/conftest.py also compares every answer in tests/api with it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Response

from tests.api.conftest import Vault, open_for_tests
from tests.api.test_openapi import METHODS, as_path, operations
from tests.support.described import PROBLEM, UNDESCRIBED, Description, description_of
from vault.api.description import ANSWER_HEADERS, asked
from vault.crypto import TokenKind, mint
from vault.http import ID_PATTERN

SCALARS = {"string": {"maxLength", "enum", "format", "pattern"}, "integer": {"maximum"}, "boolean": {"type"}}
BOUNDS = SCALARS | {"array": {"maxItems"}, "object": {"maxProperties"}}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Vault, Description]]:
    """A vault on SQLite: a description does not depend on the database."""
    folder = tmp_path_factory.mktemp("described")
    vault = open_for_tests(folder, _database(folder))
    yield vault, description_of(vault.app)
    vault.services.storage.close()


def _database(folder: Path) -> str:
    return f"sqlite:///{folder / 'strongroom.db'}"


def filled(path: str) -> str:
    """A path with an id or a number for each name in braces, below the API's prefix."""
    path = re.sub(r"{(number|version)}", "7", path.removeprefix("/api/v1"))
    return re.sub(r"{\w+}", str(uuid.UUID(int=7)), path)


def bodies(description: Description) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]:
    """Method, path, request body and schema of every operation that has a body."""
    for method, path, operation, _ in operations(dict(description.document)):
        if body := operation.get("requestBody"):
            yield method, path, body, description.resolved(body["content"]["application/json"]["schema"])


def test_every_error_is_described_as_a_problem(described: tuple[Vault, Description]) -> None:
    _, description = described
    for method, path, operation, _ in operations(dict(description.document)):
        assert "default" in operation["responses"], (method, path)
        for status, answer in operation["responses"].items():
            if not status.startswith(("2", "3")):
                answer = description.resolved(answer)
                assert set(answer["content"]) == {PROBLEM}, (method, path, status)
                assert {"Allow", "Retry-After", "WWW-Authenticate"} <= set(answer["headers"]), (method, path, status)


def test_allow_names_the_methods_that_are_described(described: tuple[Vault, Description]) -> None:
    vault, description = described
    ada = vault.person("ada")
    # Operators' paths refuse a person before they look at the method.
    for path, item in description.document["paths"].items():
        if path.startswith("/api/v1/operator/"):
            continue
        methods = {method.upper() for method in METHODS & set(item)}
        answer = ada("BREW", filled(path))
        assert (answer.status, answer.code) == (405, "method_not_allowed"), path
        automatic = {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        assert set(answer.headers["allow"].split(", ")) == methods | automatic, path


def test_a_body_is_required_where_an_empty_one_is_refused(described: tuple[Vault, Description]) -> None:
    vault, description = described
    ada = vault.person("ada")
    seen = set()
    for method, path, body, _ in bodies(description):
        if path.startswith("/api/v1/operator/"):
            continue
        answer = ada(method.upper(), filled(path), raw=b"")
        is_missed = answer.status == 422 and "Missing data" in answer.json["detail"]
        assert is_missed == body.get("required", False), (method, path, answer.body)
        seen.add(is_missed)
    assert seen == {True, False}


def unbounded(description: Description, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    """The parts of a schema that a request may make as large as it likes."""
    schema = description.resolved(schema)
    for each in schema.get("anyOf", ()):
        yield from unbounded(description, each, where)
    kinds = schema.get("type", ())
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        is_closed = schema.get("additionalProperties") is False
        if kind != "null" and not is_closed and not BOUNDS[kind] & set(schema):
            yield f"{where}: {kind}"
    for name, inner in schema.get("properties", {}).items():
        yield from unbounded(description, inner, f"{where}.{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from unbounded(description, schema[name], f"{where}.{name}")


def test_every_bound_of_a_body_and_of_a_parameter_is_described(described: tuple[Vault, Description]) -> None:
    _, description = described
    found = [
        fault
        for method, path, _, schema in bodies(description)
        for fault in unbounded(description, schema, f"{method} {path}")
    ]
    for method, path, operation, item in operations(dict(description.document)):
        for parameter in [*item.get("parameters", []), *operation.get("parameters", [])]:
            # `names` is bounded by the number of names. The front door bounds all headers of a request together.
            if parameter["in"] != "header" and parameter["name"] != "names":
                found += unbounded(description, parameter["schema"], f"{method} {path} {parameter['name']}")
    assert found == []


def test_a_value_over_a_described_bound_is_refused(described: tuple[Vault, Description]) -> None:
    vault, description = described
    ada, tried = vault.person("ada"), 0
    for method, path, _, schema in bodies(description):
        if path.startswith("/api/v1/operator/"):
            continue
        for name, inner in schema["properties"].items():
            for value in over(description.resolved(inner)):
                answer = ada(method.upper(), filled(path), {name: value})
                assert answer.status in (413, 422), (method, path, name, answer.status)
                assert answer.status == 413 or answer.json["path"].partition(".")[0] in schema["properties"]
                tried += 1
    assert tried > 50


def over(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Values that are just over a bound of `schema`."""
    if "maxLength" in schema:
        yield "x" * (schema["maxLength"] + 1)
    if "maximum" in schema:
        yield schema["maximum"] + 1
    if schema.get("minimum"):
        yield schema["minimum"] - 1
    if "maxItems" in schema:
        yield [None] * (schema["maxItems"] + 1)
    if "maxProperties" in schema:
        yield {str(number): None for number in range(schema["maxProperties"] + 1)}


def test_an_id_of_a_session_a_token_or_a_factor_has_the_described_shape() -> None:
    for id in (mint(TokenKind.SESSION).id, mint(TokenKind.SERVICE).id, str(uuid.uuid4())):
        assert re.fullmatch(ID_PATTERN, id)
    for id in ("challenges", "step-up", "passkeys", "totp", "recovery-codes", "", "0" * 13, str(uuid.uuid4()).upper()):
        assert not re.fullmatch(ID_PATTERN, id), id


def test_every_header_that_a_view_names_is_in_the_table(described: tuple[Vault, Description]) -> None:
    _, description = described
    named = {
        name
        for _, _, operation, _ in operations(dict(description.document))
        for status, answer in operation["responses"].items()
        if status.startswith(("2", "3"))
        for name in answer.get("headers", {})
    }
    assert named == set(ANSWER_HEADERS)


# -- The comparison itself --


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"X-New": "1"}, "the header x-new is not described"),
        ({"Content-Type": "text/html"}, "200 is text/html"),
        ({"Content-Type": "application/problem+json"}, "200 is appl"),
    ],
)
def test_an_answer_that_is_not_described_fails_its_test(
    described: tuple[Vault, Description], changes: dict[str, str], fault: str
) -> None:
    vault, _ = described
    ada = vault.person("ada")

    def change(response: Response) -> Response:
        response.headers.update(changes)
        return response

    vault.app.after_request_funcs[None] = [change]
    try:
        with pytest.raises(AssertionError, match=fault):
            ada("GET", "/me")
    finally:
        vault.app.after_request_funcs.clear()


@pytest.mark.parametrize(
    ("schema", "value", "fault"),
    [
        ({"type": "string"}, None, " is NoneType"),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, {"a": "x"}, ".a is str"),
        ({"type": "object", "properties": {}, "additionalProperties": False}, {"b": 1}, ".b is not described"),
        ({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, ["x", None, 3], ".2 is int"),
    ],
)
def test_a_body_that_is_not_as_its_schema_says_is_noticed(
    described: tuple[Vault, Description], schema: dict[str, Any], value: Any, fault: str
) -> None:
    assert [found for found in described[1].misfits(schema, value) if found.startswith(fault)]
    assert list(described[1].misfits({"type": ["object", "string"]}, {})) == []


def test_a_view_cannot_read_a_header_that_it_does_not_name(described: tuple[Vault, Description]) -> None:
    vault, _ = described
    with vault.app.test_request_context("/api/v1/me"), pytest.raises(AssertionError):
        asked("If-Match")
    with vault.app.test_request_context("/api/v1/tokens", method="POST", headers={"Idempotency-Key": "x"}):
        assert asked("Idempotency-Key") == "x"


def test_only_the_description_and_its_page_are_not_described(described: tuple[Vault, Description]) -> None:
    vault, description = described
    rules = {as_path(rule.rule) for rule in vault.app.url_map.iter_rules() if rule.rule.startswith("/api/v1/")}
    assert rules - set(description.document["paths"]) == UNDESCRIBED
