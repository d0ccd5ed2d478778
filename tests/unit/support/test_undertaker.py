"""Every process that a test starts in the background is watched, so that it does not outlive an interrupted run."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parents[2]

ELSEWHERE = {
    "support/servers.py": "`start` watches what `_spawn` has started",
    "support/undertaker.py": "it is the watcher itself",
}
"""Files that start a process in one function and watch it in another."""


def unwatched(source: str) -> list[str]:
    """The innermost functions that start a process in the background and do not have it watched."""
    found = []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        calls = {ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
        if "subprocess.Popen" in calls and not any(call.rpartition(".")[2] in ("watched", "watch") for call in calls):
            found.append(function.name)
    return found


def test_every_process_is_watched() -> None:
    found = {
        str(path.relative_to(TESTS)): names
        for path in sorted(TESTS.rglob("*.py"))
        if "Popen" in (source := path.read_text(encoding="utf-8")) and (names := unwatched(source))
    }
    assert set(found) == set(ELSEWHERE), found


def test_a_process_that_nobody_watches_is_seen() -> None:
    assert unwatched("def a():\n    return subprocess.Popen([])") == ["a"]
    assert unwatched("def a():\n    return watched(subprocess.Popen([]))") == []
    assert unwatched("def a(self):\n    p = subprocess.Popen([])\n    self.undertaker.watch(p.pid)") == []
