"""Something new that was added in one place and forgotten in the other is named, with what to do.

docs/contributing/to-add.md lists the places. Key providers, file formats and audit actions have tests of their own in
their rooms, and a signed column has those that docs/contributing/adding-a-column.md names.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import get_type_hints

import click
import grimp
import pytest
from flask import Blueprint, Flask

from vault import api, auth, jobs, kv, web
from vault.auth import METHODS, VAULT_METHODS, WEB_METHODS, WEB_STREAM_METHODS, Presented
from vault.cli.root import COMMANDS, load
from vault.http import prepare
from vault.jobs import runner
from vault.model.principal import Principal
from vault.services import Services

ROOT = Path(__file__).parents[2]
CONTRIBUTING = ROOT / "docs" / "contributing"
TO_ADD = (CONTRIBUTING / "to-add.md").read_text(encoding="utf-8")

HEADINGS = {
    "vault.keys": "Key provider",
    "vault.formats": "File format",
    "vault.auth": "Authentication method",
    "vault.api": "Route of the API",
    "vault.web.pages": "Page",
    "vault.cli": "Command",
    "vault.jobs": "Job",
}
"""Where to-add.md says what a new file in each room needs."""

FOR_TESTS_ONLY = {"vault.storage.bounds"}
"""It states the bounds of the tables, and a test compares them with the code."""

TRUSTS_ANY_CLOCK = {"rewrap", "open_formats", "sign_again"}
"""Chores that delete nothing and make no key by age. They only wrap and sign again what is there."""

_PLACE = re.compile(r"(vault(?:\.\w+)+)(?::\w+)?")


def _advice(module: str) -> str:
    heading = next((heading for room, heading in HEADINGS.items() if module.startswith(f"{room}.")), "")
    return f'See "{heading}" in docs/contributing/to-add.md.' if heading else "Use it, or delete it."


def _modules(room: ModuleType) -> Iterator[ModuleType]:
    for path in sorted(Path(room.__path__[0]).glob("*.py")):
        if path.stem != "__init__":
            yield importlib.import_module(f"{room.__name__}.{path.stem}")


def _constants(module: str) -> Iterator[str]:
    """The texts in a module: some name another module that is imported when it is needed."""
    path = ROOT / module.replace(".", "/")
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(ast.parse(source.read_bytes())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_every_module_is_used() -> None:
    graph = grimp.build_graph("vault")
    reached: set[str] = set()
    next_ones = {"vault.__main__"}
    while next_ones:
        reached |= next_ones
        found = {module.rpartition(".")[0] for module in next_ones if "." in module}
        for module in next_ones:
            found |= graph.find_modules_directly_imported_by(module)
            found |= {match[1] for text in _constants(module) if (match := _PLACE.fullmatch(text))} & graph.modules
        next_ones = found - reached
    unused = [f"Nothing imports {module}. {_advice(module)}" for module in graph.modules - reached - FOR_TESTS_ONLY]
    assert not unused, "\n".join(sorted(unused))


def test_every_method_of_authentication_is_in_a_tuple() -> None:
    shape = {"services": Services, "presented": Presented, "return": Principal | None}
    known = {*METHODS, *VAULT_METHODS, *WEB_METHODS, *WEB_STREAM_METHODS}
    unknown = [
        f"No tuple in vault/auth/__init__.py has {item.__module__}.{name}. {_advice(item.__module__)}"
        for module in _modules(auth)
        for name, item in inspect.getmembers(module, inspect.isfunction)
        if item.__module__ == module.__name__ and not name.startswith("_") and item not in known
        if get_type_hints(item) == shape
    ]
    assert not unknown, "\n".join(unknown)


@pytest.mark.parametrize(("room", "table"), [(api, "RESOURCES"), (kv, "_FILES"), (web, "_FILES")])
def test_every_blueprint_is_registered(room: ModuleType, table: str) -> None:
    app = Flask("routes")
    prepare(app)
    room.register(app)
    files = room.pages if room is web else room
    registered = list(app.blueprints.values())
    missing = [
        f"{module.__name__} has a blueprint that is not registered: add the module to `{table}` in"
        f" {room.__name__.replace('.', '/')}/__init__.py. {_advice(module.__name__)}"
        for module in _modules(files)
        for item in vars(module).values()
        if isinstance(item, Blueprint) and item not in registered
    ]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("face", [web, kv])
def test_the_table_of_a_face_has_a_row_for_each_file_that_is_registered(face: ModuleType) -> None:
    files = {file.__name__.rpartition(".")[2] + ".py" for file in face._FILES} - {"fallback.py"}
    rows = _rows(face)
    assert rows == files, f"The table at the top of {face.__name__} and `_FILES` differ: {sorted(rows ^ files)}"


def _rows(module: ModuleType) -> set[str]:
    """The first column of the table in a module's docstring."""
    names = re.findall(r"^\| (\S+) *\|", module.__doc__ or "", re.MULTILINE)
    return set(names) - {"file", "job"}


@pytest.mark.parametrize("half", ["people", "operators"])
def test_every_command_is_in_the_map(half: str) -> None:
    known = [load(place) for place, _ in COMMANDS.values()]
    missing = []
    for module in _modules(importlib.import_module(f"vault.cli.{half}")):
        commands = [item for item in vars(module).values() if isinstance(item, click.Command)]
        below = [child for group in commands if isinstance(group, click.Group) for child in group.commands.values()]
        missing += [
            f"`strongroom {command.name}` of {module.__name__} is not in COMMANDS. {_advice(module.__name__)}"
            for command in commands
            if command not in known and command not in below
        ]
    assert not missing, "\n".join(missing)


def _runner() -> ast.Module:
    return ast.parse(Path(runner.__file__).read_bytes())


def test_every_function_that_does_a_job_is_run() -> None:
    used = {node.id for node in ast.walk(_runner()) if isinstance(node, ast.Name)}
    idle = [
        f"vault/jobs/runner.py does not run {item.__module__}.{name}. {_advice(item.__module__)}"
        for module in _modules(jobs)
        for name, item in inspect.getmembers(module, inspect.isfunction)
        if item.__module__ == module.__name__ and not name.startswith("_") and name not in used
        if get_type_hints(item).get("services") is Services
    ]
    assert not idle, "\n".join(idle)


def test_the_table_of_jobs_has_a_row_for_each_job() -> None:
    calls = (node for node in ast.walk(_runner()) if isinstance(node, ast.Call))
    names = {
        ast.literal_eval(call.args[0]) for call in calls if isinstance(call.func, ast.Name) and call.func.id == "_Job"
    }
    rows = _rows(runner)
    assert rows == names, f"The table at the top of vault/jobs/runner.py and its jobs differ: {sorted(rows ^ names)}"


def test_a_chore_waits_after_a_jump_of_the_clock_or_is_named() -> None:
    calls = (node for node in ast.walk(_runner()) if isinstance(node, ast.Call))
    chores = [call.args[1] for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "_chore"]
    bare = {ast.unparse(run) for run in chores if not ast.unparse(run).startswith("explained(")}
    assert len(chores) > len(TRUSTS_ANY_CLOCK)
    differ = sorted(bare ^ TRUSTS_ANY_CLOCK)
    assert not differ, (
        f"Wrap in `explained`, or name in TRUSTS_ANY_CLOCK with the reason: {differ}. {_advice('vault.jobs.x')}"
    )


@pytest.mark.parametrize("page", sorted(CONTRIBUTING.glob("*.md")), ids=lambda page: page.stem)
def test_every_file_that_a_page_for_contributors_names_exists(page: Path) -> None:
    named = re.findall(r"`((?:vault|tests|deploy|docs)/[\w./-]+)", page.read_text(encoding="utf-8"))
    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing, f"docs/contributing/{page.name} names files that are not there: {missing}"


@pytest.mark.parametrize("heading", HEADINGS.values())
def test_the_page_has_the_headings_that_these_tests_point_to(heading: str) -> None:
    assert f"\n## {heading}\n" in TO_ADD
