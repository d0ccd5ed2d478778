"""Sealed JSON objects in the database or the cache, which another release may have written.

Unknown members are ignored. If an older release must not ignore a new member, the newer release gives the object a
higher version, in the member `v` (1 if it is absent).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from vault.errors import NewerFormat

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

VERSION = 1

T = TypeVar("T", bound="DataclassInstance")


def read_document(plaintext: bytes) -> dict[str, Any]:
    """The JSON object in `plaintext`. Raises `NewerFormat` for a version that this release does not know."""
    document: dict[str, Any] = json.loads(plaintext)
    if document.get("v", VERSION) != VERSION:
        raise NewerFormat()
    return document


def known_members(kind: type[T], document: Mapping[str, Any]) -> T:
    """A dataclass made from the members of `document` that are its fields."""
    return kind(**{field.name: document[field.name] for field in fields(kind) if field.name in document})
