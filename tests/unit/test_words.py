"""The names that docs/explanation/words.md calls misleading do not come back."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "words.md"

NEVER = frozenset({"Told", "Held", "Change", "Kind", "Sealed", "Report"})
"""No class or alias outside the SDK, whose names are public, has one of these names."""

ONCE = frozenset({"Place", "Proof", "Progress"})
"""They have one meaning, and stand in one place."""


def named(source: str) -> set[str]:
    """The classes of a module, and its names that are bound to a type or another value."""
    found: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def test_no_class_has_a_name_with_several_meanings() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "vault").rglob("*.py")):
        room = path.relative_to(ROOT).as_posix()
        if not room.startswith("vault/client/"):
            for name in named(path.read_text(encoding="utf-8")) & (NEVER | ONCE):
                places[name].append(room)
    assert {name: found for name, found in places.items() if name in NEVER} == {}
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_the_page_names_each_of_them() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("| do not write |")[2]
    assert all(f"| `{name}` |" in table for name in NEVER | ONCE)


def test_a_class_and_an_alias_are_found() -> None:
    source = "class Told: ...\nKind = str\nPlace: type = int\ndef f():\n    class Held: ...\n"
    assert named(source) == {"Told", "Kind", "Place"}
