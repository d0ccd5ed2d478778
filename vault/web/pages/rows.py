"""What the table's script and the form of one variable send: edits of rows, read with care."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request

from vault.errors import InvalidInput
from vault.http import budget
from vault.model import strict_json
from vault.model.environment import VARIABLES_MOST, VariableType
from vault.services.environments.editing import RowEdit

_KINDS: Mapping[str, type] = {
    "name": str,
    "value": str,
    "type": VariableType,
    "enabled": bool,
    "literal": bool,
    "description": str,
}


def sent() -> dict[str, Any]:
    """The JSON object that a script has sent. Raises `InvalidInput`."""
    document = strict_json.parse_written(request.get_data(), budget().json_items)
    if not isinstance(document, dict):
        raise InvalidInput("An object is expected.")
    return document


def text_of(document: Mapping[str, Any], name: str) -> str:
    """One text of what a script has sent. Raises `InvalidInput`."""
    text = document.get(name)
    if not isinstance(text, str):
        raise InvalidInput("This is a text.", path=name)
    return text


def edits_of(document: Mapping[str, Any]) -> list[RowEdit]:
    """The edits that a script has sent, in order. Raises `InvalidInput`, whose path begins with the position."""
    items = document.get("edits")
    if not isinstance(items, list) or len(items) > 2 * VARIABLES_MOST:
        raise InvalidInput("The edits are a list.", path="edits")
    return [_edit(item, position) for position, item in enumerate(items)]


def _edit(item: Any, position: int) -> RowEdit:
    if not isinstance(item, dict) or set(item) != {"name", "attributes"}:
        raise InvalidInput("An edit has a name and attributes.", path=f"{position}.name")
    name, attributes = item["name"], item["attributes"]
    if not isinstance(name, str | None) or not isinstance(attributes, dict | None):
        raise InvalidInput("An edit has a name and attributes.", path=f"{position}.name")
    if attributes is None:
        return RowEdit(name, None)
    return RowEdit(name, {key: _attribute(key, value, position) for key, value in attributes.items()})


def _attribute(key: str, value: Any, position: int) -> Any:
    kind = _KINDS.get(key)
    if kind is VariableType and value in tuple(VariableType):
        return VariableType(value)
    if kind is None or not isinstance(value, kind):
        raise InvalidInput("This is no attribute of a variable.", path=f"{position}.{key}")
    return value


def as_shown(value: str) -> str:
    """A value as a form's text area sends it back when nobody has touched it: it knows one line end, and no NUL."""
    return value.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def as_meant(typed: str, before: str) -> str:
    """The value that a person means who was shown `before`: untouched it stays as it was stored, line ends and all."""
    text = as_shown(typed)
    if text == as_shown(before):
        return before
    only_crlf = "\r\n" in before and "\n" not in before.replace("\r\n", "")
    return text.replace("\n", "\r\n") if only_crlf else text
