"""The API's description: `openapi.json` for programs, and a page for people. Both are public."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, render_template_string
from flask_smorest import Api

from vault.api.calls import PREFIX
from vault.http import public

_TEMPLATES = Path(__file__).parent / "templates"
Document = Mapping[str, Any]  # type: ignore[explicit-any]  # apispec's own documents
"""A part of the description. apispec makes it and OpenAPI fixes its shape, so we read it without checking each step."""

_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a body or an answer."""

    name: str
    type: str
    needed: bool
    description: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A body or an answer, and its fields."""

    title: str
    fields: list[Field]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A part of the path, a query field, or a header."""

    name: str
    place: str
    needed: bool
    description: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation."""

    method: str
    path: str
    summary: str
    parameters: list[Parameter]
    shapes: list[Shape]


@dataclass(frozen=True, slots=True)
class Group:
    """The operations on one resource."""

    name: str
    description: str
    calls: list[Operation] = field(default_factory=list)


class Reference:
    """The description of one app. It is the same for every caller, so it is made once, at the first request."""

    def __init__(self, api: Api) -> None:  # type: ignore[no-any-unimported]  # flask-smorest ships no types
        self._api = api

    @cached_property
    def document(self) -> Document:
        """Return the OpenAPI 3.1 document."""
        document: Document = self._api.spec.to_dict()
        return {**document, "security": [{"bearer": []}]}

    @cached_property
    def groups(self) -> list[Group]:
        """Return the operations by resource, in the order of the document."""
        groups = {tag["name"]: Group(tag["name"], tag.get("description", "")) for tag in self.document["tags"]}
        for path, item in self.document["paths"].items():
            for method in _METHODS:
                if method in item:
                    operation = item[method]
                    shared = item.get("parameters", [])
                    groups[operation["tags"][0]].calls.append(self._operation(method, path, operation, shared))
        return list(groups.values())

    def _operation(self, method: str, path: str, operation: Document, shared: Sequence[Document]) -> Operation:
        parameters = [
            Parameter(item["name"], item["in"], item.get("required", False), item.get("description", ""))
            for item in [*shared, *operation.get("parameters", [])]
        ]
        return Operation(method.upper(), path, operation.get("summary", ""), parameters, list(self._shapes(operation)))

    def _shapes(self, operation: Document) -> Iterator[Shape]:
        body = operation.get("requestBody")
        if body:
            yield Shape("Body", self._fields(body))
        for status, answer in operation.get("responses", {}).items():
            fields = self._fields(answer) if status.startswith("2") else []
            if fields:
                yield Shape(f"Answer {status}", fields)

    def _fields(self, holder: Document) -> list[Field]:
        for media in holder.get("content", {}).values():
            schema = self._resolved(media.get("schema", {}))
            # The first form is the one that is answered unless the caller asks for another.
            schema = self._resolved(schema["anyOf"][0]) if "anyOf" in schema else schema
            needed = schema.get("required", [])
            return [
                Field(name, self._type(inner), name in needed, self._resolved(inner).get("description", ""))
                for name, inner in schema.get("properties", {}).items()
            ]
        return []

    def _type(self, schema: Document) -> str:
        resolved = self._resolved(schema)
        if "enum" in resolved:
            return " | ".join(map(str, resolved["enum"]))
        if "anyOf" in resolved:
            return " or ".join(map(self._type, resolved["anyOf"]))
        kind = resolved.get("type", "any")
        text = " or ".join(kind) if isinstance(kind, list) else str(kind)
        return f"{text} of {self._type(resolved['items'])}" if "items" in resolved else text

    def _resolved(self, schema: Document) -> Document:
        name = schema.get("$ref", "").rpartition("/")[2]
        return self.document["components"]["schemas"][name] if name else schema


def register(app: Flask, api: Api) -> None:  # type: ignore[no-any-unimported]  # flask-smorest ships no types
    """Serve the description of `api`, and the page."""
    reference = Reference(api)
    style = (_TEMPLATES / "reference.css").read_text()
    page = (_TEMPLATES / "reference.html").read_text()
    style_hash = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    document_url = f"{PREFIX}/openapi.json"

    @public
    def openapi() -> Response:
        """The OpenAPI 3.1 description of this API."""
        return jsonify(reference.document)

    @public
    def read_reference() -> Response:
        """Return the description as a page."""
        info = reference.document["info"]
        text = render_template_string(page, **info, groups=reference.groups, style=style, document_url=document_url)
        response = Response(text, mimetype="text/html")
        # Allow only this style sheet: no script, no image, no frame.
        policy = f"default-src 'none'; style-src 'sha256-{style_hash}'; frame-ancestors 'none'; base-uri 'none'"
        response.headers["Content-Security-Policy"] = policy
        return response

    app.add_url_rule(document_url, "openapi", openapi)
    app.add_url_rule(f"{PREFIX}/reference", "reference", read_reference)
