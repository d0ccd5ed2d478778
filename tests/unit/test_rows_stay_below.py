"""No row with its MAC reaches a face: neither by its noun, nor inside of what a service hands out."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from itertools import chain
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import vault
from vault.services import Services
from vault.services.environments.environments import Environments
from vault.services.people.sessions import NewSession
from vault.services.tokens.views import TokenView
from vault.storage import StoredEvent, StoredToken, User
from vault.storage.signing.signed_row import SignedRow

FACES = ("api", "kv", "web", "http", "auth", "jobs", "server", "cli")
CALL = re.compile(r"\b(?:services\(\)|services|verbs|vault)\s*\.(\w+)\.(\w+)\.(\w+)\b")
"""A call of a verb, or its name where it is handed on."""
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


def verbs_called_in(path: Path) -> Iterator[tuple[str, object]]:
    """The verbs of the services that a file calls, by name."""
    for group, service, verb in CALL.findall(path.read_text()):
        kind = get_type_hints(Services).get(group)
        kind = get_type_hints(kind).get(service) if kind is not None and is_dataclass(kind) else None
        found = getattr(kind, verb, None)
        yield from [(f"{group}.{service}.{verb}", found)] if callable(found) else []


@pytest.mark.parametrize("face", FACES)
def test_no_verb_that_a_face_calls_returns_a_row(face: str) -> None:
    called = {pair for path in (ROOT / face).rglob("*.py") for pair in verbs_called_in(path)}
    returned = {name: parts_of(get_type_hints(verb, localns=JSON)["return"]) for name, verb in called}
    assert {name: found for name, parts in returned.items() if (found := [*chain(*map(rows_in, parts))])} == {}
    assert len(called) > 5 or face not in ("api", "kv", "web")


def test_a_verb_that_returns_a_row_is_found() -> None:
    assert "environments.making.create" in dict(verbs_called_in(ROOT / "api" / "environments.py"))
    [part] = parts_of(get_type_hints(Environments.create)["return"])
    assert list(rows_in(part)) == ["EnvironmentRow"]


@dataclass(frozen=True)
class _Told:
    """A view that holds rows, as a mistake would make it."""

    tokens: tuple[StoredToken, ...] | None


def test_a_row_is_found_wherever_it_is_held() -> None:
    assert list(rows_in(User)) == ["User"]
    assert list(rows_in(StoredEvent)) == ["StoredEvent"]
    assert list(rows_in(_Told)) == ["StoredToken"]
    assert (list(rows_in(NewSession)), list(rows_in(TokenView))) == ([], [])


def uses_of_connections(source: str) -> list[int]:
    """The lines that do more with a unit's connection than to hand it to the storage."""
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute))
    inner = ((node.lineno, node.value) for node in nodes)
    return [line for line, value in inner if isinstance(value, ast.Attribute) and value.attr == "connection"]


def test_no_room_above_storage_runs_a_statement() -> None:
    files = [path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] != "storage"]
    sources = {str(path.relative_to(ROOT)): path.read_text() for path in files}
    assert sum("unit.connection" in source for source in sources.values()) > 5
    assert {name: lines for name, source in sources.items() if (lines := uses_of_connections(source))} == {}


def test_a_statement_on_a_connection_is_found() -> None:
    assert uses_of_connections("with storage.read() as unit:\n    unit.connection.execute(select(users))\n") == [2]
    assert uses_of_connections("first_rows(unit.connection)") == []
