"""Tests that belong together have one group, and the longest groups start first."""

from __future__ import annotations

import pytest

from tests.support.groups import group_of, is_unit, start_order


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("tests/browser/test_login.py::test_a", "browser"),
        ("tests/browser/test_attacks.py::test_b[//{}]", "browser"),
        ("tests/integration/faults/test_redis.py::test_c", "faults"),
        ("tests/integration/sync/test_told.py::test_d[sqlite]", "live"),
        ("tests/integration/client/test_live.py::test_d[a stream]", "live"),
        ("tests/unit/support/test_groups.py::test_e[a::b]", "tests/unit/support/test_groups.py"),
    ],
)
def test_a_group_goes_by_the_path(nodeid: str, group: str) -> None:
    assert group_of(nodeid) == group


@pytest.mark.parametrize(
    ("nodeid", "expected"),
    [
        ("tests/unit/test_a.py::test_a", True),
        ("tests/cli/unit/test_a.py::test_a", True),
        ("tests/cli/server/test_a.py::test_a[/unit/]", False),
        ("tests/integration/services/test_a.py::test_a", False),
        ("test_a.py::test_a", False),
    ],
)
def test_unit_tests_are_those_in_a_folder_of_that_name(nodeid: str, expected: bool) -> None:
    assert is_unit(nodeid) is expected


def test_the_longest_start_first_and_unit_tests_last() -> None:
    ids = [
        "tests/unit/test_a.py::test_a",
        "tests/web/test_b.py::test_b",
        "tests/integration/faults/test_c.py::test_c",
        "tests/browser/test_d.py::test_d",
    ]
    assert sorted(ids, key=start_order) == list(reversed(ids))
