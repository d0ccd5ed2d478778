"""Decides which tests run in the same worker, and in which order.

Tests of one file stay together: what a module or a package sets up (servers, vaults) is then made once, and not once in
each worker. Some files share more: a browser, or servers that they stop and start.

The longest groups go first, so that no worker is left alone with one at the end; unit tests go last, because they are
short and fill what is left.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

_GROUPS = {
    "tests/browser/": "browser",
    "tests/integration/faults/": "faults",
    "tests/integration/sync/": "live",
    "tests/integration/client/test_live.py": "live",
    "tests/cli/server/test_command.py": "command",
    "tests/cli/server/test_run_live.py": "command",
}

_LONGEST = (
    "browser",
    "faults",
    "live",
    "tests/releases/test_rolling.py",
    "tests/integration/server/test_lifecycle.py",
    "tests/integration/services/people/test_logins.py",
    "tests/integration/services/keys/test_resealing.py",
    "tests/integration/services/keys/test_rewrapping.py",
    "tests/cli/operators/test_backup.py",
    "tests/integration/server/test_limits.py",
    "tests/web/test_files.py",
    "tests/web/test_variables.py",
    "tests/kv/test_model.py",
    "tests/api/test_operator_users.py",
    "tests/api/test_canary.py",
)
"""The order of groups. A group that is missing here only starts late."""


def group_of(nodeid: str) -> str:
    """Return the name of a test's group: its file, unless it shares something with other files."""
    file = nodeid.partition("::")[0]
    return next((group for path, group in _GROUPS.items() if file.startswith(path)), file)


def is_unit(nodeid: str) -> bool:
    """Report whether a test is in a folder `unit`, so that it opens no socket."""
    return "/unit/" in nodeid.partition("::")[0]


def start_order(nodeid: str) -> tuple[int, bool]:
    """Return the key to sort tests by before they are handed out."""
    group = group_of(nodeid)
    place = _LONGEST.index(group) if group in _LONGEST else len(_LONGEST)
    return place, is_unit(nodeid)


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc, no-any-unimported]  # It has no types.
    """Gives each group to one worker. Groups start in the order of their first tests."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        # xdist orders groups by the number of tests, which says little about their time.
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
