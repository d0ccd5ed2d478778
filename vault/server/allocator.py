"""glibc's allocator, told to give memory back.

By itself it learns from the first large body that such blocks come often, takes them from its heaps from then on, and
keeps what is freed in the middle of a heap: a worker that held 64 MiB of bodies for a moment would stay that large.
"""

from __future__ import annotations

import contextlib
import ctypes

_M_MMAP_THRESHOLD = -3  # from glibc's malloc.h
_M_ARENA_MAX = -8

_LARGE_BYTES = 128 * 1024
"""Blocks of this size are mapped by themselves, and unmapped when they are freed."""

_ARENAS = 2
"""Python's own lock lets one thread at a time allocate, so more would only spread what is free."""


def give_memory_back() -> None:
    """Set this up for this process and its children. Another C library is left as it is."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        libc.mallopt(_M_ARENA_MAX, _ARENAS)


def trim() -> None:
    """Return free pages in the middle of the heaps. It takes some milliseconds for 100 MiB."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
