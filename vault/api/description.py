"""Makes the OpenAPI description from the code that serves, in the same way for every route.

errors       one answer, `default`, for every status: a problem, with the headers that some of them have
bounds       what the fields and the converters of a path check
bodies       required if a field of theirs is
headers      `takes` is written on a view; `asked` refuses to read a header that the view does not name
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from flask import current_app, request
from flask_smorest import Api
from marshmallow import fields
from werkzeug.routing import UnicodeConverter

from vault.api.schemas.parts import NAME_MOST
from vault.api.schemas.problems import ProblemSchema
from vault.api.schemas.variables import AttributesBody, Merged
from vault.http import ID_PATTERN, View
from vault.model.environment import ENVIRONMENT_MAX_BYTES
from vault.model.json_types import Json, JsonObject
from vault.services.idempotency import KEY_MAX_CHARACTERS

V = TypeVar("V", bound=View)
Facts = Mapping[str, Any]  # type: ignore[explicit-any]  # flask-smorest fixes the shape.
"""What flask-smorest's decorators know of a view."""

PROBLEM = "application/problem+json"
WARNINGS = "X-Strongroom-Warnings"


def _text(description: str, **schema: Json) -> JsonObject:
    return {"description": description, "schema": {"type": "string", **schema}}


REQUEST_HEADERS: Mapping[str, JsonObject] = {
    "Idempotency-Key": _text(
        "Makes a retry safe: a second call with this key gets the answer of the first.",
        minLength=1,
        maxLength=KEY_MAX_CHARACTERS,
    ),
    "If-Match": _text("The ETag that must be the current one, or `*` for any. Otherwise the answer is 412."),
    "If-None-Match": _text(
        "In a read: the ETags of the answers that the caller has; if one is current, the answer is 304. In a write: "
        "`*`, if there must be no revision yet."
    ),
}

ANSWER_HEADERS: Mapping[str, JsonObject] = {
    "ETag": _text("Changes when the content changes."),
    "Idempotency-Replayed": _text("`true` if this is the stored answer of an earlier call.", enum=["true"]),
    "Link": _text('The next page, as `<path>; rel="next"` (RFC 8288).'),
    "Location": _text("The path of what was made."),
    WARNINGS: _text("Warnings, as a JSON array of sentences in ASCII."),
}
"""Every header of a success that is not in every answer."""

PRECONDITIONS = ("If-Match", "If-None-Match")
"""What `calls.precondition` reads."""

_ERROR_HEADERS: Mapping[str, JsonObject] = {
    "Allow": _text("With 405: the methods of this path."),
    "Retry-After": {"description": "The seconds to wait before the next try.", "schema": {"type": "integer"}},
    "WWW-Authenticate": _text("With 401: `Bearer`.", enum=["Bearer"]),
}

NOT_MODIFIED: JsonObject = {
    "description": "The caller has the current answer.",
    "headers": {"ETag": dict(ANSWER_HEADERS["ETag"])},
}


class StrongroomApi(Api):  # type: ignore[misc, no-any-unimported]  # flask-smorest ships no types
    """flask-smorest's Api, without its own error handlers, and with a description of ours."""

    ERROR_SCHEMA = ProblemSchema

    def _register_error_handlers(self) -> None:
        """Do nothing: `problems.register` handles every error."""

    def _register_responses(self) -> None:
        """Describe every error as a problem."""
        for name, description in [
            *((status.name, status.phrase) for status in HTTPStatus),
            (self.DEFAULT_ERROR_RESPONSE_NAME, "An error."),
        ]:
            answer = {
                "description": description,
                "headers": copy.deepcopy(dict(_ERROR_HEADERS)),
                "content": {PROBLEM: {"schema": ProblemSchema}},
            }
            self.spec.components.response(name, answer, lazy=True)


def describe(api: StrongroomApi) -> None:
    """Add what flask-smorest does not know of our fields and paths. Call this before any blueprint is registered."""
    api.register_converter(UnicodeConverter, lambda _: {"type": "string", "minLength": 1, "maxLength": NAME_MOST})
    identifier = current_converters(api)["id"]
    api.register_converter(identifier, lambda _: {"type": "string", "pattern": f"^{ID_PATTERN}$"})
    api.ma_plugin.converter.add_attribute_function(_merged)
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})


def current_converters(api: StrongroomApi) -> Mapping[str, type]:
    """Return the converters of the app's paths, by name."""
    found: Mapping[str, type] = api._app.url_map.converters
    return found


def _merged(converter: object, field: fields.Field[object], **_: object) -> dict[str, object]:
    if not isinstance(field, Merged):
        return {}
    attributes = converter.resolve_nested_schema(AttributesBody())  # type: ignore[attr-defined]  # apispec has no types.
    return {"anyOf": [{"type": "string", "maxLength": ENVIRONMENT_MAX_BYTES}, attributes, {"type": "null"}]}


def takes(*names: str, parameters: Sequence[JsonObject] = ()) -> Callable[[V], V]:
    """Write the headers that a view reads, and query parameters that it parses itself, into its description."""

    def decorate(view: V) -> V:
        headers: list[JsonObject] = [{"name": name, "in": "header", **REQUEST_HEADERS[name]} for name in names]
        # A view may share this place with the one that it wraps.
        known = getattr(view, "_apidoc", {})
        facts = {**known, "takes": [*taken(view), *headers, *parameters]}
        view._apidoc = facts  # type: ignore[attr-defined]  # flask-smorest's place for what decorators know.
        return view

    return decorate


def taken(view: View | None) -> Sequence[JsonObject]:
    """Return the parameters that `takes` has written on a view."""
    found: Sequence[JsonObject] = getattr(view, "_apidoc", {}).get("takes", ())
    return found


def asked(name: str) -> str | None:
    """Return a header of the request, which the view must take: otherwise the description would not name it."""
    view = current_app.view_functions.get(request.endpoint or "")
    assert any(parameter["name"] == name for parameter in taken(view)), (request.endpoint, name)
    return request.headers.get(name)
