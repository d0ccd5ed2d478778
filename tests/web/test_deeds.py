"""The words for what the audit records."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from vault.web.frame.deeds import ACTIONS

VAULT = Path(__file__).parents[2] / "vault"


def recorded() -> Iterator[str]:
    """Every action that a call of `record` or `read` in the source names."""
    for path in VAULT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITERS:
                for part in ast.walk(node):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str) and ACTION.fullmatch(part.value):
                        yield part.value


WRITERS = ("record", "read")
ACTION = re.compile(r"[a-z]+\.[a-z_]+")


def test_every_action_that_the_source_records_has_words() -> None:
    found = set(recorded())
    assert len(found) > 60
    assert found - set(ACTIONS) == set()
