"""Sealed JSON objects of other releases."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from vault.errors import NewerFormat
from vault.services.environments.documents import known_members, read_document


@dataclass(frozen=True)
class Facts:
    """What this release knows."""

    name: str
    count: int = 3


@pytest.mark.parametrize("document", [{}, {"v": 1}, {"v": 1, "new": [1]}])
def test_the_version_of_this_release_is_read_whatever_else_is_there(document: dict[str, object]) -> None:
    assert read_document(json.dumps(document).encode()) == document


@pytest.mark.parametrize("version", [2, 10, "1", None])
def test_another_version_is_refused(version: object) -> None:
    with pytest.raises(NewerFormat):
        read_document(json.dumps({"v": version}).encode())


def test_members_that_are_not_known_are_left_and_those_that_are_missing_have_their_default() -> None:
    assert known_members(Facts, {"name": "a", "later": 1}) == Facts("a", 3)
    assert known_members(Facts, {"name": "a", "count": 0}) == Facts("a", 0)
