"""The number of connections of each worker, in shared memory, so that no worker takes more than its share.

The kernel wakes all workers for a connection, and often the same one is first. A proxy that opens its sixteen
connections one after the other would have all of them on one worker, and so on one core.
"""

from __future__ import annotations

import mmap

_SLOTS = 256
_ABSENT = 0xFFFFFFFF


class Shares:
    """Make this before the fork. A worker's slot depends on its age, which gunicorn counts up."""

    def __init__(self) -> None:
        # Each count is one aligned word, so reads and writes are atomic.
        self._counts = memoryview(mmap.mmap(-1, 4 * _SLOTS)).cast("I")
        for slot in range(_SLOTS):
            self._counts[slot] = _ABSENT

    def tell(self, age: int, connections: int) -> None:
        """Store the number of connections of this worker."""
        self._counts[age % _SLOTS] = connections

    def leave(self, age: int) -> None:
        """Store that this worker takes no more connections."""
        self._counts[age % _SLOTS] = _ABSENT

    def least(self) -> int:
        """Return the fewest connections that any worker has."""
        return min(self._counts)
