"""How many connections each worker has, in memory that all of them share, so that none takes more than its part.

The kernel wakes every worker for a connection, and the same one tends to be first: a proxy that opens its sixteen
connections one after the other would have them all on one worker, and so on one core.
"""

from __future__ import annotations

import mmap

_SLOTS = 256
_ABSENT = 0xFFFFFFFF


class Shares:
    """Made before the fork. A worker's slot follows from its age, which gunicorn counts up."""

    def __init__(self) -> None:
        # Each count is one aligned word, so it is read and written whole.
        self._counts = memoryview(mmap.mmap(-1, 4 * _SLOTS)).cast("I")
        for slot in range(_SLOTS):
            self._counts[slot] = _ABSENT

    def tell(self, age: int, connections: int) -> None:
        """The worker has so many connections now."""
        self._counts[age % _SLOTS] = connections

    def leave(self, age: int) -> None:
        """The worker takes no more connections."""
        self._counts[age % _SLOTS] = _ABSENT

    def least(self) -> int:
        """The fewest connections that any worker has."""
        return min(self._counts)
