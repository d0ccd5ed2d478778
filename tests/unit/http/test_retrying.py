"""When to try again, and what else the faces read of every error."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_type_hints

import pytest
from flask import Response

from vault import errors
from vault.errors import StrongroomError
from vault.http import set_retry_after

VAULT = Path(__file__).parents[3] / "vault"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (errors.TooManyRequests(retry_after_seconds=7), "7"),
        (errors.VaultLocked(), "1"),
        (errors.NotFound(), None),
        (errors.InvalidInput(path="name"), None),
    ],
)
def test_only_an_error_that_passes_says_when_to_try_again(error: StrongroomError, told: str | None) -> None:
    assert set_retry_after(Response(), error).headers.get("Retry-After") == told


def test_every_error_has_a_path() -> None:
    assert (errors.InvalidInput(path="grants.0").path, errors.Conflict().path) == ("grants.0", "")


def guesses(source: str) -> list[str]:
    """The attributes of every error that the code asks for by `getattr`: a wrong name there would be silent."""
    known = get_type_hints(StrongroomError).keys()
    return [
        node.args[1].value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr"
        if isinstance(node.args[1], ast.Constant) and node.args[1].value in known
    ]


def test_no_code_guesses_what_an_error_has() -> None:
    found = {str(path): guesses(path.read_text(encoding="utf-8")) for path in VAULT.rglob("*.py")}
    assert [path for path, names in found.items() if names] == []


@pytest.mark.parametrize("name", ["path", "retry_after_seconds", "request_id"])
def test_the_search_finds_what_it_looks_for(name: str) -> None:
    assert guesses(f"told = getattr(error, {name!r}, None)") == [name]
    assert guesses("reason = getattr(error, 'strerror', None)") == []
