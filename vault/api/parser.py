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
        if not body:
            return {}
        document = parse_json(body)
        # In UTF-8, only an escape can smuggle half a surrogate pair in.
        if b"\\u" in body:
            refuse_half_surrogates(document)
        return document

    def handle_error(self, error: ma.ValidationError, req: Any, schema: Any, **_: Any) -> NoReturn:
        """Tell the first fault and where it is."""
        messages = error.messages
        for location in ("json", "query"):
            if isinstance(messages, dict) and set(messages) == {location}:
                messages = messages[location]
        path, sentence = first_fault(messages)
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


def refuse_half_surrogates(document: Any) -> None:
    """Raise `InvalidInput` for text that no UTF-8 can carry, with its path."""
    todo: list[tuple[str, Any]] = [("", document)]
    while todo:
        path, item = todo.pop()
        if isinstance(item, dict):
            todo += [(f"{path}.{name}".strip("."), part) for name, inner in item.items() for part in (name, inner)]
        elif isinstance(item, list):
            todo += [(f"{path}.{position}".strip("."), inner) for position, inner in enumerate(item)]
        elif isinstance(item, str) and any("\ud800" <= character <= "\udfff" for character in item):
            raise InvalidInput("Half a surrogate pair is not text.", path=path)


def first_fault(messages: Any) -> tuple[str, str]:
    """The path and the sentence of the first fault in marshmallow's messages."""
    path: list[str | int] = []
    is_wrapped = False
    while isinstance(messages, dict):
        name, messages = next(iter(messages.items()))
        # marshmallow's own steps: "_schema" is the object itself, and below a name of a Dict, "key" and "value" tell
        # the one from the other. The Dicts here are fields of the body.
        in_dict = name in ("key", "value") and len(path) == 2 and isinstance(path[1], str) and not is_wrapped
        is_wrapped |= in_dict
        if name != "_schema" and not in_dict:
            path.append(name)
    return ".".join(map(str, path)), str(messages[0] if isinstance(messages, list) else messages)
