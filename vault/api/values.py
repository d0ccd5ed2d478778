"""`…/values`: the values that a service uses. This is the hot path, so the query is parsed by hand."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

from flask import Response, request

from vault.api.description import NOT_MODIFIED, WARNINGS, takes
from vault.api.parser import StrictBlueprint
from vault.api.schemas.variables import ValuesAnswer
from vault.errors import InvalidInput
from vault.formats import FORMATS, Format, Source, refuse
from vault.http import View, environment_route, known_etags, principal, quoted, services
from vault.model.environment import GLOBALS, EnvironmentKind, EnvironmentRef, Values, Variable
from vault.model.json_types import JsonObject
from vault.services.environments.files import format_named
from vault.services.environments.values import Question

blueprint = StrictBlueprint("values", __name__, description="The values that a service uses.")

V = TypeVar("V", bound=View)

_NO_QUERY: Mapping[str, str] = {}
_JSON = json.JSONEncoder(ensure_ascii=False).encode
_SWITCHES = {"true": True, "1": True, "false": False, "0": False}
_NAMES_MOST = 1000
_WARNINGS_BYTES = 3 * 1024


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A query parameter: its description, and how it is read."""

    name: str
    description: str
    default: bool | None = None
    """The value of an absent boolean. None is for texts."""
    texts: tuple[str, ...] = ()
    """The texts that are allowed. None of them is named if all are."""

    def described(self) -> JsonObject:
        """Return the parameter's description in OpenAPI."""
        text: JsonObject = {"type": "string", "enum": list(self.texts)} if self.texts else {"type": "string"}
        schema: JsonObject = text if self.default is None else {"type": "boolean", "default": self.default}
        return {"name": self.name, "in": "query", "schema": schema, "description": self.description}

    def text_in(self, query: Mapping[str, str]) -> str:
        """Return the text, or an empty one if it is absent."""
        return query.get(self.name, "")

    def is_on(self, query: Mapping[str, str]) -> bool:
        """Return the boolean. Raises `InvalidInput`."""
        text = query.get(self.name, str(self.default)).lower()
        if text not in _SWITCHES:
            raise InvalidInput("This must be true or false.", path=self.name)
        return _SWITCHES[text]


_GLOBALS = _Parameter("globals", "Whether to include the globals, below the environment.", default=True)
_RESOLVE = _Parameter("resolve", "Whether to resolve {{references}}.", default=True)
_NAMES = _Parameter("names", "Return only these names, separated by commas.")
_FORMAT = _Parameter(
    "format",
    "Answer as text in this format. Warnings are then in the header X-Strongroom-Warnings.",
    texts=("", *FORMATS),
)
_STRICT = _Parameter("strict", "With a format: refuse instead of giving a warning.", default=False)
_PARAMETERS = (_GLOBALS, _RESOLVE, _NAMES, _FORMAT, _STRICT)


def file_answers(blueprint: StrictBlueprint, json: Mapping[str, object], *headers: str) -> Callable[[V], V]:
    """Describe answers in every format of files. `json` is the schema of those that are JSON."""

    def decorate(view: V) -> V:
        for media_type in sorted({each.media_type for each in FORMATS.values()}):
            # A reader parses YAML too before it compares, and a document may be any value.
            other = {} if media_type == "application/yaml" else {"type": "string"}
            schema = json if media_type == "application/json" else other
            view = blueprint.response(200, schema, content_type=media_type, headers=(*headers, WARNINGS))(view)
        return view

    return decorate


def _bare(described: View) -> View:
    """Return the undecorated view, with the description that the decorators made.

    The decorators wrap the view to dump what it returns. This view returns a whole response.
    """
    view = inspect.unwrap(described)
    view._apidoc = described._apidoc  # type: ignore[attr-defined]  # flask-smorest's place for it.
    return cast(View, view)


@environment_route(blueprint, "/values", "GET")
@_bare
@takes("If-None-Match", parameters=[parameter.described() for parameter in _PARAMETERS])
@file_answers(blueprint, {"anyOf": [ValuesAnswer, {"type": "object"}]}, "ETag")
@blueprint.doc(responses={"304": NOT_MODIFIED})
def read_values(env: EnvironmentRef = GLOBALS) -> Response:
    """Get the values of an environment over its bases and the globals, without disabled variables, with references
    resolved.
    """
    # Most calls have no query, and Werkzeug takes time to parse even an empty one.
    query = request.args if request.environ.get("QUERY_STRING") else _NO_QUERY
    question, is_strict = (_question(query), _STRICT.is_on(query)) if query else (Question(), False)
    chosen = format_named(question.format) if question.format else None
    # A strict call must not get a 304 for a text that had warnings.
    answer = services().environments.values.read(principal(), env, question, () if is_strict else known_etags())
    headers = {"ETag": quoted(answer.etag)}
    if answer.resolved is None:
        return Response(status=304, headers=headers)
    if chosen is not None:
        return _as_text(answer.resolved, question, chosen, headers, _source(env), strict=is_strict)
    body = {
        "values": answer.resolved.values,
        "warnings": answer.resolved.warnings,
        "globals_warnings": answer.resolved.beneath,
        "revision": answer.revision,
    }
    return Response(_JSON(body), headers=headers, mimetype="application/json")


def text_response(text: str, warnings: tuple[str, ...], media_type: str, headers: dict[str, str]) -> Response:
    """Answer a text, with its warnings in a header as an ASCII JSON array. After 3 KiB, the rest is only counted."""
    headers = {**headers, **warning_headers(warnings)}
    return Response(text, headers=headers, content_type=f"{media_type}; charset=utf-8")


def warning_headers(warnings: tuple[str, ...]) -> dict[str, str]:
    """Return the header with warnings, for an answer whose body has no room for them."""
    return {WARNINGS: _bounded(warnings)} if warnings else {}


def _bounded(warnings: tuple[str, ...]) -> str:
    # Proxies refuse a header field, and so the whole answer, above 4 to 8 KiB.
    told: list[str] = []
    left = _WARNINGS_BYTES
    for warning in warnings:
        left -= len(json.dumps(warning)) + 2
        if left < 0:
            return json.dumps([*told, f"There are {len(warnings) - len(told)} more warnings."])
        told.append(warning)
    return json.dumps(told)


def _as_text(
    values: Values, question: Question, chosen: Format, headers: dict[str, str], source: Source, *, strict: bool
) -> Response:
    # A reader that resolves references would change the text of a literal variable. What has a warning needs no other.
    kept = [
        Variable(name, value, literal=question.resolve and name not in values.warned)
        for name, value in values.values.items()
    ]
    rendered = chosen.render(kept, source)
    warnings = values.warnings + rendered.warnings
    if strict:
        refuse(warnings)
    return text_response(rendered.text, warnings, chosen.media_type, headers)


def _source(env: EnvironmentRef) -> Source:
    return Source("globals", EnvironmentKind.GLOBALS) if env is GLOBALS else Source(env)


def _question(query: Mapping[str, str]) -> Question:
    unknown = set(query) - {parameter.name for parameter in _PARAMETERS}
    if unknown:
        raise InvalidInput("Unknown field.", path=min(unknown))
    names, format = _NAMES.text_in(query), _FORMAT.text_in(query)
    chosen = tuple(dict.fromkeys(names.split(","))) if names else None
    if chosen is not None and len(chosen) > _NAMES_MOST:
        raise InvalidInput(f"Ask for at most {_NAMES_MOST} names at once.", path="names")
    return Question(_GLOBALS.is_on(query), _RESOLVE.is_on(query), chosen, format)
