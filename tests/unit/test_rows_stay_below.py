"""No row with its MAC reaches a face: neither by its noun, nor inside of what a service hands out."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import vault
from vault.services.people.sessions import NewSession
from vault.services.tokens.tokens import TokenView
from vault.storage import StoredEvent, StoredToken, User
from vault.storage.signing.signed_row import SignedRow

FACES = ("api", "kv", "web", "http", "auth", "jobs", "server", "cli")
ROOT = Path(vault.__file__).parent
ONLY_ROWS_HAVE = {"mac", "row_version"}
JSON = {"Json": object, "WrittenJson": object}
"""Types that refer to themselves. A value of JSON is never a row."""


def classes_named_in(path: Path) -> Iterator[type]:
    """The classes that a file imports from the services or the storage."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("vault.services", "vault.storage")):
            module = importlib.import_module(node.module or "")
            found = (getattr(module, alias.name, None) for alias in node.names)
            yield from (each for each in found if isinstance(each, type))


def rows_in(kind: type, seen: frozenset[type] = frozenset()) -> Iterator[str]:
    """The names of the rows that a class is, or that the fields of a dataclass or NamedTuple hold."""
    if kind in seen:
        return
    is_noun = is_dataclass(kind) or hasattr(kind, "_fields")
    if issubclass(kind, SignedRow) or (is_noun and ONLY_ROWS_HAVE & kind.__annotations__.keys()):
        yield kind.__name__
    elif is_noun:
        for hint in get_type_hints(kind, localns=JSON).values():
            for part in parts_of(hint):
                yield from rows_in(part, seen | {kind})


def parts_of(hint: object) -> Iterator[type]:
    """The classes that a type hint names."""
    if isinstance(hint, type) and not get_args(hint):
        yield hint
    for argument in get_args(hint):
        yield from parts_of(argument)


@pytest.mark.parametrize("face", FACES)
def test_a_face_names_nothing_that_holds_a_row(face: str) -> None:
    files = list((ROOT / face).rglob("*.py"))
    named = {(path.name, kind) for path in files for kind in classes_named_in(path)}
    assert files
    assert {name: found for name, kind in named if (found := list(rows_in(kind)))} == {}


@dataclass(frozen=True)
class _Told:
    """A view that holds rows, as a mistake would make it."""

    tokens: tuple[StoredToken, ...] | None


def test_a_row_is_found_wherever_it_is_held() -> None:
    assert list(rows_in(User)) == ["User"]
    assert list(rows_in(StoredEvent)) == ["StoredEvent"]
    assert list(rows_in(_Told)) == ["StoredToken"]
    assert (list(rows_in(NewSession)), list(rows_in(TokenView))) == ([], [])
