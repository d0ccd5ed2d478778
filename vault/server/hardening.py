"""What the process does to itself so that keys in its memory do not reach a disk or a debugger."""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4  # prctl(2)


def forbid_memory_dumps() -> None:
    """No core files, and no attaching by other processes of the same user; children inherit both."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
