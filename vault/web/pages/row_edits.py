"""Parses edits of variables, from the table's script and from the form of one variable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from flask import request

from vault.errors import InvalidInput
from vault.http import budget
from vault.model import strict_json
from vault.model.digits import BIGINT_MOST
from vault.model.environment import VARIABLES_MOST, VariableType
from vault.services.environments.editing import Attributes, RowEdit

_KINDS: Mapping[str, type] = {
    "name": str,
    "value": str,
    "type": VariableType,
    "enabled": bool,
    "literal": bool,
    "description": str,
}


def sent() -> dict[str, object]:
    """Return the JSON object that a script has sent. Raises `InvalidInput`."""
    document = strict_json.parse_written(request.get_data(), budget().json_items)
    if not isinstance(document, dict):
        raise InvalidInput("This must be a JSON object.")
    return document


def text_of(document: Mapping[str, object], name: str) -> str:
    """Return a string of the object. Raises `InvalidInput`."""
    text = document.get(name)
    if not isinstance(text, str):
        raise InvalidInput("This must be a string.", path=name)
    return text


def revision_of(document: Mapping[str, object]) -> int:
    """Return the number of the revision that the page shows, 0 if there is none yet. Raises `InvalidInput`."""
    number = document.get("revision", 0)
    if type(number) is not int or not 0 <= number <= BIGINT_MOST:
        raise InvalidInput("This must be the number of a revision.", path="revision")
    return number


def edits_of(document: Mapping[str, object]) -> list[RowEdit]:
    """Return the edits that a script has sent, in order. Raises `InvalidInput` with a path that starts with the
    position.
    """
    items = document.get("edits")
    if not isinstance(items, list) or len(items) > 2 * VARIABLES_MOST:
        raise InvalidInput("The edits must be a list.", path="edits")
    return [_edit(item, position) for position, item in enumerate(items)]


def _edit(item: object, position: int) -> RowEdit:
    if not isinstance(item, dict) or set(item) != {"name", "attributes"}:
        raise InvalidInput("An edit has a name and attributes.", path=f"{position}.name")
    name, attributes = item["name"], item["attributes"]
    if not isinstance(name, str | None) or not isinstance(attributes, dict | None):
        raise InvalidInput("An edit has a name and attributes.", path=f"{position}.name")
    if attributes is None:
        return RowEdit(name, None)
    checked = {key: _attribute(key, value, position) for key, value in attributes.items()}
    return RowEdit(name, cast(Attributes, checked))


def _attribute(key: str, value: object, position: int) -> object:
    kind = _KINDS.get(key)
    if kind is VariableType and isinstance(value, str) and value in tuple(VariableType):
        return VariableType(value)
    if kind is None or not isinstance(value, kind):
        raise InvalidInput("This is not an attribute of a variable, or not a value for it.", path=f"{position}.{key}")
    return value


def as_shown(value: str) -> str:
    """Return a value as a form's text area sends it back unchanged: with one kind of line end, and without NUL."""
    return value.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def as_meant(typed: str, before: str) -> str:
    """Return the value that a person meant who was shown `before`. If it was not changed, keep its line ends
    and NULs.
    """
    text = as_shown(typed)
    if text == as_shown(before):
        return before
    only_crlf = "\r\n" in before and "\n" not in before.replace("\r\n", "")
    return text.replace("\n", "\r\n") if only_crlf else text
