"""Tests lie where docs/contributing/tests.md says."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "tests"
PAGE = (ROOT / "docs" / "contributing" / "tests.md").read_text(encoding="utf-8")

NO_ROOMS = {Path("support"), Path("faults")}
"""The tests' own helpers, and the whole vault while its parts fail."""


def _files() -> list[Path]:
    return sorted(path for path in TESTS.rglob("test_*.py") if "node_modules" not in path.parts)


@pytest.mark.parametrize("kind", ["unit", "integration"])
def test_folders_follow_the_rooms(kind: str) -> None:
    folders = {path.parent.relative_to(TESTS / kind) for path in _files() if path.is_relative_to(TESTS / kind)}
    strangers = {str(folder) for folder in folders - NO_ROOMS if not (ROOT / "vault" / folder).is_dir()}
    assert not strangers, f"No room in vault/ has the name of these folders in tests/{kind}: {sorted(strangers)}"


def test_the_command_s_tests_are_in_one_place() -> None:
    strangers = [str(path) for path in _files() if "cli" in path.parts and not path.is_relative_to(TESTS / "cli")]
    assert not strangers, f"Move these files to tests/cli: {strangers}"


def test_the_page_names_every_folder() -> None:
    unnamed = {
        path.name
        for path in TESTS.iterdir()
        if path.is_dir() and path.name != "__pycache__" and f"`tests/{path.name}" not in PAGE
    }
    assert not unnamed, f"docs/contributing/tests.md does not say what is in tests/: {sorted(unnamed)}"


def test_every_file_says_in_its_first_line_what_it_tests() -> None:
    silent = [str(path) for path in _files() if not ast.get_docstring(ast.parse(path.read_bytes()))]
    assert not silent, f"These files have no docstring: {silent}"
