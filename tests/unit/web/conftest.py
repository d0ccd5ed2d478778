"""Runs functions of the pages' modules in Node, without a browser."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vault.web
from tests.support.undertaker import watched

STATIC = Path(vault.web.__file__).parent / "static"
RUN = Path(__file__).parent / "run_module.mjs"

Call = Callable[..., Any]
"""Calls a function by its name, and returns its result."""


@pytest.fixture(scope="session")
def _node() -> Iterator[subprocess.Popen[str]]:
    """One Node for all tests here: it takes longer to start than a test takes."""
    with watched(
        subprocess.Popen(["node", str(RUN)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ) as node:
        yield node
        assert node.stdin is not None
        node.stdin.close()


@pytest.fixture(scope="module")
def call(request: pytest.FixtureRequest, _node: subprocess.Popen[str]) -> Call:
    """Calls functions of the module that the test file names as `MODULE`."""
    file = str(STATIC / request.module.MODULE)

    def call_function(name: str, *arguments: Any) -> Any:
        assert _node.stdin is not None
        assert _node.stdout is not None
        _node.stdin.write(json.dumps([file, name, arguments]) + "\n")
        _node.stdin.flush()
        answer = json.loads(_node.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["result"]

    return call_function
