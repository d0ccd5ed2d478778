"""No file and no function of `vault/` is longer than a reader can take in. Migrations are frozen, and may be."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parent.parent
FILES = [path for path in sorted((ROOT / "vault").rglob("*.py")) if path.parent.name != "versions"]

FILE_MOST_LINES = 400
FUNCTION_MOST_LINES = 50
MEDIAN_MOST_LINES = 8


def _functions(source: str) -> dict[str, int]:
    """How many lines each function has, from its `def` to its end, by its name and its line."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    return {f"{node.name} (line {node.lineno})": (node.end_lineno or 0) - node.lineno + 1 for node in found}


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in FILES}


def test_no_file_is_too_long(sources: dict[str, str]) -> None:
    lines = {path: len(source.splitlines()) for path, source in sources.items()}
    assert {path: count for path, count in lines.items() if count > FILE_MOST_LINES} == {}


def test_no_function_is_too_long_and_half_of_them_are_short(sources: dict[str, str]) -> None:
    lines = {f"{path}: {name}": n for path, source in sources.items() for name, n in _functions(source).items()}
    assert {place: count for place, count in lines.items() if count > FUNCTION_MOST_LINES} == {}
    assert median(lines.values()) <= MEDIAN_MOST_LINES


def test_functions_within_classes_and_functions_are_counted_too() -> None:
    body = "\n".join(["            pass"] * 50)
    source = f"class A:\n    async def b(self):\n        def c():\n{body}\n"
    assert _functions(source) == {"b (line 2)": 52, "c (line 3)": 51}
    assert len(FILES) > 300
