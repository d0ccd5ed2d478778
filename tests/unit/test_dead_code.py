"""Every name and every parameter of the package is used by the package: code that only tests call is not kept."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from vault.keys import PROVIDERS

ROOT = Path(__file__).parents[2]
VAULT = ROOT / "vault"

OTHERS_CALL = {
    # Flask, flask-smorest and marshmallow
    "Meta", "_deserialize", "_get_file_stream", "_register_error_handlers", "_register_responses", "_serialize",
    "ensure_sync", "handle_error", "load_json",
    # gunicorn and h11
    "_handle_websocket", "_send_error_response", "feed_eof", "handle_exit_signal", "load_config",
    # click
    "format_commands", "get_command", "list_commands",
}  # fmt: skip
"""Names that a library looks up."""

BY_NAME = {
    "create_app",  # the WSGI application, for a server that is not ours
    *(choice.place.rpartition(":")[2] for choice in PROVIDERS.values()),  # loaded by their place
    "client_revision", "client_slot",  # numbers of the stored format that a device of the owner will use
    "used_jtis",  # part of the schema; nothing writes it yet
    "WsgiTransport",  # the SDK's: it runs a client against an application without a socket
    "ROW_BOUNDS",  # a declaration that a test compares with the tables
    "JsonObject",  # a type for all rooms
    "readable",  # asked by `io.BufferedReader`
    "host_doctor", "serve",  # imported under another name by a command
}  # fmt: skip
"""Names that are used in another way, or kept for a reason."""


PLAIN = ("property", "cached_property", "staticmethod", "classmethod", "contextmanager", "abstractmethod", "override")
"""Decorators that call nothing by themselves."""


@cache
def written(node: ast.expr) -> str:
    """An expression as its author wrote it."""
    return ast.unparse(node)


def definitions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The functions, classes and constants of a module, and the methods of its classes.

    What another decorator takes is used by it. Fields are not looked at: rows and answers have some for others to read.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef):
            for each in node.body:
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                    if all(written(decorator) in PLAIN for decorator in each.decorator_list):
                        yield each.name, each.lineno
                elif isinstance(each, ast.ClassDef):
                    yield each.name, each.lineno
                elif isinstance(each, ast.Assign | ast.AnnAssign) and isinstance(node, ast.Module):
                    targets = each.targets if isinstance(each, ast.Assign) else [each.target]
                    yield from ((target.id, each.lineno) for target in targets if isinstance(target, ast.Name))


def uses(tree: ast.Module) -> Iterator[str]:
    """Every name that is read. An import alone is no use: a front door imports what others may need."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def unused(trees: dict[Path, ast.Module], texts: str) -> list[str]:
    """The names that nothing uses, as `path:line name`."""
    used = Counter(name for tree in trees.values() for name in uses(tree))
    words = set(re.findall(r"\w+", texts))
    return [
        f"{path}:{line} {name}"
        for path, tree in trees.items()
        for name, line in definitions(tree)
        if not used[name] and name not in words and not (name.startswith("__") and name.endswith("__"))
    ]


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    """The whole package."""
    files = [path for path in sorted(VAULT.rglob("*.py")) if "versions" not in path.parts]
    return {path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8")) for path in files}


def test_every_name_is_used(trees: dict[Path, ast.Module]) -> None:
    templates = " ".join(path.read_text(encoding="utf-8") for path in VAULT.rglob("*.html"))
    found = unused(trees, templates)
    excused = {*OTHERS_CALL, *BY_NAME}
    dead = [each for each in found if each.partition(" ")[2] not in excused]
    assert not dead, (
        f"Nothing uses these: {dead}. A new kind of thing must be registered: see docs/contributing/to-add.md, for "
        "example `PROVIDERS` for a key provider. Delete other names, or name them in `BY_NAME` with the reason."
    )


def test_what_only_an_import_names_is_found() -> None:
    trees = {
        Path("a.py"): ast.parse("def one(): ...\ndef two(): ...\nclass Three:\n    def four(self): ...\nFIVE = 5\n"),
        Path("b.py"): ast.parse("from a import FIVE, one, two\nprint(two())\n"),
    }
    assert unused(trees, "<p>{{ three.six }}</p>") == ["a.py:1 one", "a.py:3 Three", "a.py:5 FIVE", "a.py:4 four"]


Function = ast.FunctionDef | ast.AsyncFunctionDef


def parameters(function: Function) -> list[str]:
    """The names of a function's parameters. One that begins with `_` says itself that it is not used."""
    given = function.args
    starred = [each for each in (given.vararg, given.kwarg) if each is not None]
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs, *starred)]
    return [name for name in names if name not in ("self", "cls") and not name.startswith("_")]


def does_nothing(function: Function) -> bool:
    """Whether a function has no body of its own: it states a signature, or refuses every call."""
    rest = [each for each in function.body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))]
    return all(isinstance(each, ast.Pass | ast.Raise) for each in rest)


def functions(tree: ast.Module) -> Iterator[tuple[ast.ClassDef | None, Function]]:
    """Every function of a module, also nested ones, with its class if it is a method."""
    owners = {each: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for each in node.body}
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield owners.get(node), node


def stated(trees: dict[Path, ast.Module]) -> set[tuple[str, str]]:
    """What a protocol of the package states, as method and parameter: each class that fits it must take them."""
    return {
        (function.name, name)
        for tree in trees.values()
        for owner, function in functions(tree)
        if owner is not None and any(written(base).partition("[")[0] in ("Protocol", "ABC") for base in owner.bases)
        for name in parameters(function)
    }


def is_decided_by_others(owner: ast.ClassDef | None, function: Function, own: set[str]) -> bool:
    """Whether a library decides the parameters: of a method that replaces its own, and of what its decorator takes.

    The language decides those of a method with two underscores around its name. `own` are the names of this package.
    """
    bases = {written(base).partition("[")[0] for base in owner.bases} if owner is not None else set()
    is_special = function.name.startswith("__") and function.name != "__init__"
    is_decorated = not all(written(decorator) in PLAIN for decorator in function.decorator_list)
    return bool(bases - own - {"Generic"}) or is_special or is_decorated or function.name in OTHERS_CALL


def unused_parameters(trees: dict[Path, ast.Module]) -> list[str]:
    """The parameters that their function does not read and that nobody else asks for, as `path:line function name`."""
    excused, own = stated(trees), {name for tree in trees.values() for name, _ in definitions(tree)}
    found = []
    for path, tree in trees.items():
        for owner, function in functions(tree):
            if does_nothing(function) or is_decided_by_others(owner, function, own):
                continue
            read = {node.id for each in function.body for node in ast.walk(each) if isinstance(node, ast.Name)}
            found += [
                f"{path}:{function.lineno} {function.name} {name}"
                for name in parameters(function)
                if name not in read and (owner is None or (function.name, name) not in excused)
            ]
    return found


def test_every_parameter_is_used(trees: dict[Path, ast.Module]) -> None:
    found = unused_parameters(trees)
    assert not found, f"Nothing reads these: {found}. Remove them. If a library passes one, begin it with `_`."


def test_only_a_parameter_that_nobody_else_asks_for_is_found() -> None:
    source = """
class Face(Protocol):
    def send(self, text): ...
class Own:
    def __init__(self, a, b): self.a = a
    def send(self, text): return 1
    def other(self, text): return 1
    def refuses(self, text): raise NotImplementedError
    def __exit__(self, kind): return None
class Heir(Own):
    def late(self, *rest, **more): return more
class Foreign(click.Group):
    def get_command(self, ctx): return 1
@app.route("/")
def page(path): return 1
def outer(one, _two):
    def inner(three): return one
    return inner
"""
    assert unused_parameters({Path("a.py"): ast.parse(source)}) == [
        "a.py:5 __init__ b", "a.py:7 other text", "a.py:11 late rest", "a.py:17 inner three",
    ]  # fmt: skip
