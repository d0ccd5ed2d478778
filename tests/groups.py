"""Which tests go to the same worker: those that share a browser, or stop servers that others use.

pytest-xdist 3.8 appends the name of a test's `xdist_group` to an id that pytest 9.2 keeps elsewhere, so that the mark
alone says nothing any more; here it goes by the path. Each worker still needs servers of its own.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

_GROUPS = {
    "tests/browser/": "browser",
    "tests/integration/faults/": "faults",
    "tests/integration/services/test_session_cache.py": "redis",
}


def group_of(nodeid: str) -> str:
    """The name of a test's group; its own id where it goes to any worker."""
    return next((group for path, group in _GROUPS.items() if nodeid.startswith(path)), nodeid)


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]  # It has no types.
    """One worker for each group, and whoever is free for all others."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
