"""Tests that belong together have one group; all others go to any worker."""

from __future__ import annotations

import pytest

from tests.groups import group_of


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("tests/browser/test_login.py::test_a", "browser"),
        ("tests/browser/test_attacks.py::test_b[//{}]", "browser"),
        ("tests/integration/faults/test_redis.py::test_c", "faults"),
        ("tests/integration/services/test_session_cache.py::test_d", "redis"),
        ("tests/unit/test_groups.py::test_e[a@b]", "tests/unit/test_groups.py::test_e[a@b]"),
    ],
)
def test_a_group_goes_by_the_path(nodeid: str, group: str) -> None:
    assert group_of(nodeid) == group
