"""Settings for glibc's allocator, so that freed memory returns to the system.

By default, after the first large block glibc takes such blocks from its heaps and keeps what is freed in the middle of
a heap. A worker that once held 64 MiB of bodies would stay that large.
"""

from __future__ import annotations

import contextlib
import ctypes

_M_MMAP_THRESHOLD = -3  # from glibc's malloc.h
_M_ARENA_MAX = -8

_LARGE_BYTES = 128 * 1024
"""Blocks of this size get their own mapping, which is unmapped when they are freed."""

_ARENAS = 2
"""Python's lock lets one thread allocate at a time, so more heaps would only fragment free memory."""


def give_memory_back() -> None:
    """Apply the settings to this process and its children. Does nothing with another C library."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        libc.mallopt(_M_ARENA_MAX, _ARENAS)


def trim() -> None:
    """Return free pages in the middle of the heaps. It takes some milliseconds for 100 MiB."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
