"""Who owns a transaction: a verb that takes `unit` opens none, and the others that write are on the decision's page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
SERVICES = ROOT / "vault" / "services"
PAGE = ROOT / "docs" / "decisions" / "0007-transactions.md"

OPENS = frozenset({"write", "transaction"})
TRIES = frozenset({"again", "patiently"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Every function of a module and every method of its classes, as `name` and `Class.name`."""
    for node in tree.body:
        if isinstance(node, Function):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{each.name}", each) for each in node.body if isinstance(each, Function))


def arguments(function: Function) -> list[ast.arg]:
    """The arguments after `self`."""
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return given[1:] if given and given[0].arg in ("self", "cls") else given


def takes_unit(function: Function) -> bool:
    return any(each.arg == "unit" for each in arguments(function))


def opens(function: Function) -> bool:
    """Whether its own body opens a transaction on a storage."""
    called = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    return any(
        (isinstance(each, ast.Attribute) and each.attr in OPENS and "storage" in ast.unparse(each.value))
        or (isinstance(each, ast.Name) and each.id in TRIES)
        for each in called
    )


def owners(tree: ast.Module) -> set[str]:
    """The public verbs without `unit` that open a transaction, also by way of other methods of their class."""
    found = dict(functions(tree))
    opening = {name for name, function in found.items() if opens(function)}
    grown = True
    while grown:
        grown = False
        for name, function in found.items():
            room = name.rpartition(".")[0]
            calls = {
                f"{room}.{node.attr}"
                for node in ast.walk(function)
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
            }
            if name not in opening and calls & opening:
                opening.add(name)
                grown = True
    return {
        name
        for name in opening
        if "." in name and "_" not in (name[0], name.rpartition(".")[2][0]) and not takes_unit(found[name])
    }


def faults(tree: ast.Module) -> list[str]:
    """The functions that take a unit of work and open a transaction, or take it in another place than the first."""
    return [
        name
        for name, function in functions(tree)
        if takes_unit(function) and (opens(function) or arguments(function)[0].arg != "unit")
    ]


def on_the_page() -> set[str]:
    """The verbs of the page's second table."""
    table = PAGE.read_text(encoding="utf-8").partition("| verbs |")[2]
    named: set[str] = set()
    for line in table.splitlines()[2:]:
        if not line.startswith("|"):
            break
        for group in line.split("|")[1].split(";"):
            names = re.findall(r"`([\w.]+)`", group)
            owner = names[0].partition(".")[0]
            named |= {name if "." in name else f"{owner}.{name}" for name in names}
    return named


def modules() -> list[ast.Module]:
    return [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SERVICES.rglob("*.py"))]


def test_what_takes_a_unit_takes_it_first_and_opens_no_transaction() -> None:
    assert [name for tree in modules() for name in faults(tree)] == []


def test_the_verbs_that_own_their_transactions_are_on_the_page() -> None:
    assert set().union(*map(owners, modules())) == on_the_page()


EXAMPLE = """
class Verbs:
    def good(self, unit, principal): ...
    def nested(self, unit):
        with self._storage.write() as inner: ...
    def late(self, principal, unit): ...
    def owner(self, principal):
        return self._by_way_of(principal)
    def _by_way_of(self, principal):
        return self._storage.transaction(self.good, principal)
    def tries(self):
        again(self.good)
    def reader(self):
        with self._storage.read() as unit: ...
    def writes_a_file(self):
        self._file.write(b"")
"""


def test_the_check_finds_what_it_looks_for() -> None:
    tree = ast.parse(EXAMPLE)
    assert faults(tree) == ["Verbs.nested", "Verbs.late"]
    assert owners(tree) == {"Verbs.owner", "Verbs.tries"}
