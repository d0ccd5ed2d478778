"""The faces and the jobs compute nothing with the vault's keys: a verb does that."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

VAULT = Path(__file__).parents[2] / "vault"
ABOVE = ("api", "auth", "http", "jobs", "kv", "web")

MAY_BE_ASKED = {"heed_lock", "id", "knows", "locked", "prove", "refresh", "require_unlocked"}
"""What they may ask of the instance: its id, whether it is locked, and what keeps a worker up to date."""


def asked(source: str) -> set[str]:
    """What the code asks of an instance."""
    return {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).rpartition(".")[2] == "instance"
    }


def test_no_face_and_no_job_uses_a_key() -> None:
    files = [path for room in ABOVE for path in (VAULT / room).rglob("*.py")]
    found = {str(path.relative_to(VAULT)): asked(path.read_text(encoding="utf-8")) - MAY_BE_ASKED for path in files}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "line",
    ["services().instance.digest('csrf', 'x')", "instance.digest('csrf', 'x')", "self._services.instance.digest(b'')"],
)
def test_the_search_finds_what_it_looks_for(line: str) -> None:
    assert asked(line) == {"digest"}
