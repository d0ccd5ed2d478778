"""Parses bodies and queries: strict JSON, no unknown fields. An error names the first fault and its path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NoReturn, TypeVar

import marshmallow as ma
from flask import Request
from flask_smorest import Blueprint
from webargs.flaskparser import FlaskParser

from vault.api.description import ANSWER_HEADERS, Facts
from vault.api.schemas.bounded import Body
from vault.api.schemas.parts import Page
from vault.errors import InvalidInput
from vault.http import View, budget
from vault.model.strict_json import parse_json

V = TypeVar("V", bound=View)


class StrictParser(FlaskParser):
    """webargs' parser with our errors and our JSON."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"json": ma.RAISE, "query": ma.RAISE}  # noqa: RUF012 - webargs' own shape.

    def load_json(self, req: Request, schema: ma.Schema) -> object:
        """Parse the body as JSON, whatever its Content-Type is. An empty body is an empty object."""
        body = req.get_data()
        if not body:
            return {}
        return parse_json(body, budget().json_items)

    def handle_error(self, error: ma.ValidationError, req: object, schema: object, **_: object) -> NoReturn:
        """Raise `InvalidInput` with the first fault and its path."""
        messages: object = error.messages
        for location in ("json", "query"):
            if isinstance(messages, dict) and set(messages) == {location}:
                messages = messages[location]
        path, sentence = first_fault(messages)
        raise InvalidInput(sentence, path=path) from error


class StrictBlueprint(Blueprint):  # type: ignore[misc, no-any-unimported]  # flask-smorest ships no types
    """flask-smorest's blueprint with our parser, and with types for the decorators that views use."""

    ARGUMENTS_PARSER = StrictParser()

    def __init__(self, name: str, import_name: str, *, description: str = "") -> None:
        super().__init__(name, import_name, description=description)
        self._prepare_doc_cbks.append(_add_headers)

    def route(self, rule: str, *, methods: Sequence[str]) -> Callable[[V], V]:
        """Register the view for a path."""
        decorate: Callable[[V], V] = super().route(rule, methods=methods)
        return decorate

    def arguments(self, schema: type[Body], *, location: Literal["json", "query"] = "json") -> Callable[[V], V]:
        """Pass the view what `schema` loads: its object as the first argument, or its fields as keyword arguments."""
        as_kwargs = schema.noun is None
        # An empty body is an empty object, so it is only refused where a field is required.
        is_required = any(field.required for field in schema().load_fields.values())
        decorate: Callable[[V], V] = super().arguments(
            schema, location=location, as_kwargs=as_kwargs, required=is_required
        )
        return decorate

    def response(
        self,
        status: int,
        schema: type[ma.Schema] | Mapping[str, object] | None = None,
        *,
        content_type: str | None = None,
        headers: Sequence[str] = (),
    ) -> Callable[[V], V]:
        """Dump the view's result with `schema`. A view that returns a `Response` is answered with that.

        `headers` are those that the answer may have besides the ones of every answer.
        """
        described = {name: dict(ANSWER_HEADERS[name]) for name in headers} or None
        decorate: Callable[[V], V] = super().response(status, schema, content_type=content_type, headers=described)
        return decorate

    def doc(self, **facts: object) -> Callable[[V], V]:
        """Add `facts` to the view's description."""
        decorate: Callable[[V], V] = super().doc(**facts)
        return decorate


def _add_headers(doc: Facts, doc_info: Facts, **_: object) -> Facts:
    """Add what `takes` has written on a view, and the headers of answers that follow from it, to an operation."""
    parameters = [*doc.get("parameters", []), *doc_info.get("takes", [])]
    added = {name: ANSWER_HEADERS[name] for name in _header_names(doc_info)}
    responses = {
        status: {**answer, "headers": answer.get("headers", {}) | added}
        if added and status in range(200, 300)
        else answer
        for status, answer in doc["responses"].items()
    }
    return {**doc, "responses": responses} | ({"parameters": parameters} if parameters else {})


def _header_names(doc_info: Facts) -> Iterator[str]:
    """Yield the headers that answers have because of what a view takes."""
    if any(parameter["name"] == "Idempotency-Key" for parameter in doc_info.get("takes", [])):
        yield "Idempotency-Replayed"
    if any(issubclass(parameter["schema"], Page) for parameter in doc_info.get("arguments", {}).get("parameters", [])):
        yield "Link"


def first_fault(messages: object) -> tuple[str, str]:
    """Return the path and the sentence of the first fault in marshmallow's messages."""
    path: list[str | int] = []
    is_wrapped = False
    while isinstance(messages, dict):
        name, messages = next(iter(messages.items()))
        # Skip what marshmallow adds to the path: "_schema" for the object itself, and "key" or "value" below a name of
        # a Dict. The Dicts here are fields of the body.
        in_dict = name in ("key", "value") and len(path) == 2 and isinstance(path[1], str) and not is_wrapped
        is_wrapped |= in_dict
        if name != "_schema" and not in_dict:
            path.append(name)
    return ".".join(map(str, path)), str(messages[0] if isinstance(messages, list) else messages)
