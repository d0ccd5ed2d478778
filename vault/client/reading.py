"""Reads the server's JSON. Each function returns a value of one type, or raises `TransportError`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from vault.errors import TransportError
from vault.model.json_types import Json


def not_ours() -> TransportError:
    """Return the error for an answer that a Strongroom server would not give."""
    return TransportError("The answer is not from a Strongroom server. Is the address right?")


def read_document(text: str | bytes) -> Json:
    """Return what a JSON text says."""
    try:
        found: Json = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise not_ours() from error
    return found


def read_object(data: Json) -> Mapping[str, Json]:
    """Return an object."""
    if not isinstance(data, dict):
        raise not_ours()
    return data


def read_member(data: Json, name: str) -> Json:
    """Return the member `name` of an object, which must have it."""
    found = read_object(data)
    if name not in found:
        raise not_ours()
    return found[name]


def read_list(data: Json) -> Sequence[Json]:
    """Return a list."""
    if not isinstance(data, list):
        raise not_ours()
    return data


def read_text(data: Json) -> str:
    """Return a text."""
    if not isinstance(data, str):
        raise not_ours()
    return data


def read_texts(data: Json) -> tuple[str, ...]:
    """Return a list of texts."""
    return tuple(read_text(item) for item in read_list(data))


def read_text_map(data: Json) -> Mapping[str, str]:
    """Return an object whose members are all texts."""
    return {name: read_text(item) for name, item in read_object(data).items()}


def read_number(data: Json) -> int:
    """Return a whole number."""
    # In Python, `True` is an int too.
    if not isinstance(data, int) or isinstance(data, bool):
        raise not_ours()
    return data


def read_number_or_none(data: Json) -> int | None:
    """Return a whole number, or None for null."""
    return None if data is None else read_number(data)


def read_flag(data: Json) -> bool:
    """Return true or false."""
    if not isinstance(data, bool):
        raise not_ours()
    return data


def read_time(data: Json) -> datetime:
    """Return a time."""
    try:
        return datetime.fromisoformat(read_text(data))
    except ValueError as error:
        raise not_ours() from error
