"""The form of a JSON answer: names and types, without values."""

from __future__ import annotations

import re
from typing import TypeAlias

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


def form_of(document: Json) -> Json:
    """Return `document` with the name of its type in place of each value. Sentences of errors and warnings stay."""
    if isinstance(document, dict):
        return {name: value if name in ("errors", "warnings") else form_of(value) for name, value in document.items()}
    if isinstance(document, list):
        return [form_of(document[0])] if document else []
    if isinstance(document, str):
        return "time" if _TIME.fullmatch(document) else "text"
    return {type(None): "null", bool: "bool", int: "number", float: "number"}[type(document)]
