"""How bodies and queries are read: strict JSON, unknown fields refused, the first fault told with its path."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import marshmallow as ma
from flask import Request
from flask_smorest import Blueprint
from webargs.flaskparser import FlaskParser

from vault.errors import BadJson, InvalidInput


class StrictParser(FlaskParser):
    """webargs' parser with our errors and our JSON."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"json": ma.RAISE, "query": ma.RAISE}  # noqa: RUF012 - webargs' own shape.

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        """The body, whatever its Content-Type says; an empty one is an empty object."""
        body = req.get_data()
        return parse_json(body) if body else {}

    def handle_error(self, error: ma.ValidationError, req: Any, schema: Any, **_: Any) -> NoReturn:
        """Tell the first fault and where it is."""
        messages = error.messages
        for location in ("json", "query"):
            if isinstance(messages, dict) and set(messages) == {location}:
                messages = messages[location]
        path, sentence = _first_fault(messages)
        raise InvalidInput(sentence, path=path) from error


class StrictBlueprint(Blueprint):  # type: ignore[misc]  # flask-smorest ships no types
    """flask-smorest's blueprint with our parser."""

    ARGUMENTS_PARSER = StrictParser()


def parse_json(body: bytes) -> Any:
    """JSON by RFC 8259 in UTF-8: no NaN, no name twice in an object. Raises `BadJson`."""
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise BadJson("The body is not UTF-8.") from error
    except json.JSONDecodeError as error:
        raise BadJson(f"The body is no JSON: {error.msg}, at line {error.lineno}, column {error.colno}.") from error
    except RecursionError as error:
        raise BadJson("The body nests too deep.") from error
    except ValueError as error:
        # Python refuses numbers of more than 4,300 digits.
        raise BadJson("The body has a number that is too long.") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadJson("The body has an object in which a name stands twice.")
    return found


def _no_constant(name: str) -> NoReturn:
    raise BadJson(f"The body holds {name}, which is no JSON.")


def _first_fault(messages: Any, path: str = "") -> tuple[str, str]:
    if isinstance(messages, dict):
        name, inner = next(iter(messages.items()))
        # marshmallow's own steps: "_schema" is the object itself, and a Dict tells key from value.
        step = "" if name in ("_schema", "value", "key") and path else str(name)
        return _first_fault(inner, f"{path}.{step}".strip(".") if step else path)
    return path, str(messages[0] if isinstance(messages, list) else messages)
