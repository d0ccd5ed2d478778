"""Sealed JSON objects in the database or the cache. Another release may have written them.

Unknown members are ignored. If an older release must not ignore a new member, the newer release gives the object a
higher version, in the member `v` (1 if it is absent).
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from vault.errors import NewerFormat

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

VERSION = 1

Document: TypeAlias = dict[str, Any]  # type: ignore[explicit-any]  # json.loads: each kind of document has other members.
"""A JSON object that this vault has sealed, so that its members have the types that were written."""

T = TypeVar("T", bound="DataclassInstance")


def read_document(plaintext: bytes) -> Document:
    """Return the JSON object in `plaintext`. Raises `NewerFormat` for a version that this release does not know."""
    document: Document = json.loads(plaintext)
    if document.get("v", VERSION) != VERSION:
        raise NewerFormat()
    return document


def known_members(kind: type[T], document: Document) -> T:
    """Return a `kind` made from the members of `document` that are its fields."""
    return kind(**{field.name: document[field.name] for field in fields(kind) if field.name in document})
