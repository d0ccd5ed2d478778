"""Every route has a budget, and every body and query that is read has a bound in each of its fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from marshmallow import Schema, fields

from tests.api.conftest import Caller, Vault
from vault.api.schemas.bounded import Body, BoundedList, BoundedMap, BoundedText, WholeNumber
from vault.api.schemas.parts import MomentText
from vault.api.schemas.variables import AttributesBody, Merged
from vault.http import routes_of
from vault.http.routes import _class_of
from vault.model.budgets import BODY_MOST_BYTES, BUDGETS, RouteClass

PUBLIC_BYTES = BUDGETS[RouteClass.PUBLIC].body_bytes
CREDENTIAL = {b"authorization": b"Bearer x"}

PUBLIC_ROUTES = {
    "GET /.well-known/change-password", "GET /.well-known/security.txt", "GET /api/v1/openapi.json",
    "GET /api/v1/reference", "GET /login", "GET /readyz",
    "GET /static/<build>/<name>", "GET /v1/sys/health", "GET /v1/sys/init", "GET /v1/sys/leader",
    "GET /v1/sys/seal-status", "POST /api/v1/sessions", "POST /api/v1/sessions/challenges",
    "POST /api/v1/sessions/challenges/<id:challenge_id>", "POST /login", "POST /login/passkey", "POST /login/second",
    "POST /v1/auth/approle/login", "POST /v1/auth/userpass/login/<user>", "POST /v1/sys/wrapping/lookup",
    "POST /v1/sys/wrapping/rewrap", "POST /v1/sys/wrapping/unwrap", "PUT /v1/auth/approle/login",
    "PUT /v1/auth/userpass/login/<user>", "PUT /v1/sys/wrapping/lookup", "PUT /v1/sys/wrapping/rewrap",
    "PUT /v1/sys/wrapping/unwrap",
}  # fmt: skip
"""What a stranger may call. Whoever adds to it has looked at what one call costs."""

NOBODYS = {"web_fallback.home", "web_fallback.nothing"}
"""No page: they have the smallest budget, and need a session all the same."""

FIXED_SIZE = (fields.Boolean, fields.Enum, fields.UUID, MomentText, Merged)
"""Fields that take nothing large, whatever is sent, or look after themselves."""


on_one_database = pytest.mark.parametrize("vault", ["sqlite"], indirect=True)
"""For cases that are refused before any database is asked."""


def endpoints(app: Flask) -> Iterator[tuple[str, str, str]]:
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield method, rule.rule, rule.endpoint


def test_every_route_has_a_class(vault: Vault) -> None:
    found = {endpoint for _, _, endpoint in endpoints(vault.app)}
    assert [endpoint for endpoint in found if _class_of(vault.app, endpoint) is None] == []


def test_the_public_routes_are_these_and_no_others(vault: Vault) -> None:
    routes = routes_of(vault.app)
    found = {
        f"{method} {rule}"
        for method, rule, endpoint in endpoints(vault.app)
        if routes.class_of(endpoint) is RouteClass.PUBLIC and endpoint not in NOBODYS
    }
    assert found == PUBLIC_ROUTES


def test_a_public_route_takes_the_smallest_body_whatever_credential_comes_with_it(vault: Vault) -> None:
    routes = routes_of(vault.app)
    for route in PUBLIC_ROUTES:
        method, rule = route.split(" ")
        path = re.sub(r"<[^>]*>", "x", rule)
        assert routes.body_limit(method, path, CREDENTIAL) == PUBLIC_BYTES, route


def test_without_any_credential_every_route_takes_the_smallest_body(vault: Vault) -> None:
    routes = routes_of(vault.app)
    for method, rule, _ in endpoints(vault.app):
        path = re.sub(r"<int[^>]*>", "1", rule)
        assert routes.body_limit(method, re.sub(r"<[^>]*>", "x", path), {b"accept": b"*"}) == PUBLIC_BYTES


@on_one_database
@pytest.mark.parametrize(
    "path",
    [
        "/v1/sys/wrapping/unwrap", "//v1/sys/wrapping/unwrap", "///v1/sys/wrapping/unwrap", "/v1/sys/wrapping/unwrap/",
        "/v1/./sys/wrapping/unwrap", "/v1/x/../sys/wrapping/unwrap", "/V1/sys/wrapping/unwrap",
        "/v1//sys/wrapping/unwrap", "/v1/sys/wrapping/unwrap;x", "/v1/sys/wrapping/unwrap\0", "/\xff\xfe", "",
        "/nothing", "/api/v1/nothing", "/api/v1/sessions/challenges/x", "//api/v1/sessions/challenges/x/",
        "/login", "//login", "/login/",
        "/v1/auth/userpass/login/\xc3\xa4", "/v1/auth/userpass/login/a/b",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS", "LIST", "TRACE", "X"])
def test_no_spelling_of_a_public_address_takes_more(vault: Vault, method: str, path: str) -> None:
    assert routes_of(vault.app).body_limit(method, path, CREDENTIAL) == PUBLIC_BYTES


@on_one_database
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/v1/environments/prod/variables"), ("POST", "/api/v1/import"), ("POST", "/v1/secret/data/a/b"),
        ("PATCH", "/v1/secret/data/a"), ("POST", "/environments/prod/save"), ("POST", "/globals/import"),
    ],
)  # fmt: skip
def test_a_whole_environment_fits_where_one_is_written(vault: Vault, method: str, path: str) -> None:
    assert routes_of(vault.app).body_limit(method, path, CREDENTIAL) == BODY_MOST_BYTES
    assert routes_of(vault.app).body_limit("GET", path, CREDENTIAL) == PUBLIC_BYTES


# -- Schemas --


def read_schemas(app: Flask) -> dict[str, Schema]:
    """Every schema that reads a body or a query of a route, with all that are nested in it."""
    # A merge looks at its objects with a schema of its own, which no route names.
    todo: list[Schema] = [AttributesBody()]
    for view in app.view_functions.values():
        for parameter in getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", []):
            schema = parameter["schema"]
            todo.append(schema() if isinstance(schema, type) else schema)
    found: dict[str, Schema] = {}
    while todo:
        schema = todo.pop()
        found[type(schema).__name__] = schema
        todo += [inner.schema for field in schema.load_fields.values() for inner in _inside(field) if _nests(inner)]
    return found


def _inside(field: Any) -> Iterator[Any]:
    yield field
    for name in ("inner", "key_field", "value_field"):
        below = getattr(field, name, None)
        if isinstance(below, fields.Field):
            yield from _inside(below)


def _nests(field: Any) -> bool:
    return isinstance(field, fields.Nested)


def unbounded(schema: Schema) -> list[str]:
    """The fields of `schema`, and the items in them, that have no bound."""
    return [
        f"{type(schema).__name__}.{name}: {type(inner).__name__}"
        for name, field in schema.load_fields.items()
        for inner in _inside(field)
        if not _is_bounded(inner)
    ]


def _is_bounded(field: Any) -> bool:
    if isinstance(field, fields.Nested):
        return not field.many and isinstance(field.schema, Body)
    return isinstance(field, (BoundedText, BoundedList, BoundedMap, WholeNumber, *FIXED_SIZE))


def test_every_field_that_is_read_has_a_bound(vault: Vault) -> None:
    schemas = read_schemas(vault.app)
    assert {"TokenBody", "GrantBody", "PutVariablesBody", "VariableSchema", "AuditQuery"} <= set(schemas)
    assert [name for name, schema in schemas.items() if not isinstance(schema, Body)] == []
    assert [fault for schema in schemas.values() for fault in unbounded(schema)] == []


def test_the_walk_sees_a_field_without_a_bound() -> None:
    class Inner(Schema):
        text = BoundedText(most=1)

    class Outer(Body):
        texts = fields.List(fields.String())
        pairs = fields.Dict()
        text = fields.String()
        count = fields.Integer()
        inner = BoundedList(fields.Nested(Inner), most=2)
        many = fields.Nested(Inner, many=True)  # type: ignore[mutable-override]  # a field with a name of marshmallow's own
        fine = BoundedMap(BoundedText(most=1), BoundedText(most=1), most=1)

    faults = {fault.partition(".")[2] for fault in unbounded(Outer())}
    assert faults == {
        "texts: List", "texts: String", "pairs: Dict", "text: String", "count: Integer", "inner: Nested",
        "many: Nested",
    }  # fmt: skip


# -- What many items do --


@on_one_database
@pytest.mark.parametrize("item", [b"{}", b"[]", b"0", b'""', b"null"])
@pytest.mark.parametrize(
    ("method", "path", "before", "after"),
    [
        ("POST", "/tokens", b'{"name":"x","grants":[', b"]}"),
        ("POST", "/tokens", b'{"name":"x","grants":[],"networks":[', b"]}"),
        ("POST", "/tokens", b'{"name":"x","grants":[{"path":"a","permissions":[', b"]}]}"),
        ("PUT", "/environments/x/variables", b'{"variables":[', b"]}"),
        ("POST", "/environments", b'{"name":"x","variables":[', b"]}"),
        ("POST", "/import", b'{"environment":"x","format":"json","text":[', b"]}"),
    ],
)
def test_many_items_are_refused_before_one_is_loaded(
    ada: Caller, monkeypatch: pytest.MonkeyPatch, method: str, path: str, before: bytes, after: bytes, item: bytes
) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(Body, "_do_load", _counting(Body._do_load, loaded))
    over = ada(method, path, raw=before + b",".join([item] * 500_000) + after, If_Match="*")
    assert (over.status, over.code) == (413, "too_large")
    assert loaded == []
    # Few enough to be parsed, and more than any list takes.
    many = ada(method, path, raw=before + b",".join([item] * 50_000) + after, If_Match="*")
    assert many.status == 422
    # The body, and nothing or one grant in it.
    assert len(loaded) <= 2
    assert len(many.body) < 1000


def test_the_first_fault_of_a_list_or_a_map_ends_it(ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(Body, "_do_load", _counting(Body._do_load, loaded))
    answer = ada("PUT", "/environments/x/variables", {"variables": [{}] * 9000}, If_Match="*")
    assert (answer.status, answer.json["path"]) == (422, "variables.0.name")
    assert loaded == ["PutVariablesBody", "VariableSchema"]
    loaded.clear()
    answer = ada(
        "PATCH", "/environments/x/variables", {"variables": {f"N{number}": {"x": 1} for number in range(9000)}}
    )
    assert (answer.status, answer.json["path"]) == (422, "variables.N0.x")
    assert loaded == ["PatchVariablesBody", "AttributesBody"]


def test_of_many_unknown_names_the_first_is_told(ada: Caller) -> None:
    answer = ada("POST", "/tokens", {f"unknown{number}": 1 for number in range(50_000)})
    assert (answer.status, answer.json["path"], len(answer.body) < 1000) == (422, "unknown0", True)


def _counting(load: Any, loaded: list[str]) -> Any:
    def counted(self: Schema, *given: Any, **named: Any) -> Any:
        loaded.append(type(self).__name__)
        return load(self, *given, **named)

    return counted
