"""Compares answers of the API with its description. Every answer in tests/api is compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from flask import Flask
from werkzeug.exceptions import HTTPException

PROBLEM = "application/problem+json"
UNDESCRIBED = frozenset({"/api/v1/openapi.json", "/api/v1/reference"})
"""The description itself, and its page."""

_EVERYWHERE = frozenset({"content-type", "content-length"})
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}
_known: WeakKeyDictionary[Flask, Description] = WeakKeyDictionary()


def description_of(app: Flask) -> Description:
    """The description of an app, which is made once."""
    if app not in _known:
        _known[app] = Description(app)
    return _known[app]


class Description:
    """The OpenAPI document of an app."""

    def __init__(self, app: Flask) -> None:
        self._get = app.test_client().get
        self._adapter = app.url_map.bind("")

    @cached_property
    def document(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(self._get("/api/v1/openapi.json").data)
        return found

    def resolved(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        """`item`, or what its `$ref` names."""
        place: Any = item
        if "$ref" in item:
            place = self.document
            for step in item["$ref"].removeprefix("#/").split("/"):
                place = place[step]
        found: Mapping[str, Any] = place
        return found

    def faults(self, method: str, path: str, status: int, headers: Mapping[str, str], body: Any) -> list[str]:
        """What an answer has that the description does not name. `body` is None if it is not JSON."""
        operation = self._operation(method, path)
        if operation is None and status < 400:
            return []
        responses = operation["responses"] if operation else self.document["paths"]["/api/v1/me"]["get"]["responses"]
        if str(status) not in responses and status < 400:
            return [f"{status} is not described"]
        answer = self.resolved(responses.get(str(status)) or responses["default"])
        given = headers.get("content-type", "").partition(";")[0]
        content = answer.get("content", {})
        known = _EVERYWHERE | {name.lower() for name in answer.get("headers", {})}
        found = [f"the header {name} is not described" for name in sorted(set(headers) - known)]
        if given not in content and status not in (204, 304):
            found.append(f"{status} is {given}, and described as {sorted(content)}")
        elif body is not None:
            found += self.misfits(content[given]["schema"], body)
        return found

    def misfits(self, schema: Mapping[str, Any], value: Any, path: str = "") -> Iterator[str]:
        """Where `value` is not as `schema` says."""
        schema = self.resolved(schema)
        if "anyOf" in schema:
            tries = [list(self.misfits(each, value, path)) for each in schema["anyOf"]]
            yield from min(tries, key=len)
            return
        kinds = schema.get("type", list(_TYPES))
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if not any(isinstance(value, _TYPES[kind]) for kind in kinds):
            yield f"{path} is {type(value).__name__}, and described as {kinds}"
        for position, item in enumerate(value if isinstance(value, list) else []):
            yield from self.misfits(schema.get("items", {}), item, f"{path}.{position}")
        for name, item in value.items() if isinstance(value, dict) else ():
            others = schema.get("additionalProperties", True)
            inner = schema.get("properties", {}).get(name, others)
            if inner is False:
                yield f"{path}.{name} is not described"
            elif inner is not True:
                yield from self.misfits(inner, item, f"{path}.{name}")

    def _operation(self, method: str, path: str) -> Mapping[str, Any] | None:
        try:
            rule, _ = self._adapter.match(path.partition("?")[0], method, return_rule=True)
        except HTTPException:
            return None
        template = "".join(f"{{{text}}}" if dynamic else text for dynamic, text in rule._trace).removeprefix("|")
        found: Mapping[str, Any] | None = self.document["paths"].get(template, {}).get(method.lower())
        return found
