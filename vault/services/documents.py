"""JSON objects that are sealed in the database or the cache, and may have been written by another release.

A member that this release does not know is left alone: a newer release adds one only where an older one may do without
it. Where it may not, the newer release gives the object a higher version, in its member `v` (1 where there is none).
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
    """The object in `plaintext`, which was sealed. Raises `NewerFormat` for a higher version than this release's."""
    document: dict[str, Any] = json.loads(plaintext)
    if document.get("v", VERSION) != VERSION:
        raise NewerFormat()
    return document


def known_members(kind: type[T], document: Mapping[str, Any]) -> T:
    """A dataclass from the members of `document` that it has."""
    return kind(**{field.name: document[field.name] for field in fields(kind) if field.name in document})
