"""The JSON object in a call's body, and its fields."""

from __future__ import annotations

from collections.abc import Mapping

from flask import request

from vault.errors import InvalidInput
from vault.http import budget
from vault.model.strict_json import WrittenJson, parse_written

_TEXT_MOST = 4096
"""No password, token or accessor is longer."""
_YES = frozenset({"1", "t", "true"})


def body() -> dict[str, WrittenJson]:
    """Return the JSON object in the body, whatever its Content-Type is. No body, white space and null are an empty
    object: Go clients write a call without fields as null.
    """
    data = request.get_data()
    if not data.strip():
        return {}
    document = parse_written(data, budget().json_items)
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InvalidInput("The body must be a JSON object.")
    return document


def mapping(document: Mapping[str, WrittenJson], name: str) -> dict[str, WrittenJson]:
    """Return a field that is an object, or an empty object if it is absent or null. Raises `InvalidInput`."""
    found = document.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidInput("This must be a JSON object.", path=name)
    return found


def text(document: Mapping[str, WrittenJson], name: str) -> str:
    """Return a string field. Raises `InvalidInput` if it is absent, too long or not a string."""
    found = document.get(name)
    if not isinstance(found, str) or not found:
        raise InvalidInput(f"missing {name}")
    if len(found) > _TEXT_MOST:
        raise InvalidInput(f"This must be a string of at most {_TEXT_MOST} characters.", path=name)
    return found


def texts(found: object, name: str, *, items_most: int, characters_most: int) -> list[str]:
    """Return a list of strings. The length is checked first. Raises `InvalidInput` for any other item."""
    if not isinstance(found, list):
        raise InvalidInput("This must be a list of strings.", path=name)
    if len(found) > items_most:
        raise InvalidInput(f"Send at most {items_most} {name} at once.", path=name)
    if not all(isinstance(item, str) and len(item) <= characters_most for item in found):
        raise InvalidInput(f"This must be a list of strings of at most {characters_most} characters.", path=name)
    return found


def flag(value: object) -> bool:
    """Report whether a query value means true to Go: 1, t or true."""
    return str(value).lower() in _YES
