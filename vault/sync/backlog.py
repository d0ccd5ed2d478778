"""The frames that wait for one client: at most one for each environment, in the order of their changes."""

from __future__ import annotations

from vault.sync.messages import Frame, put_newest

BACKLOG_MOST = 256
"""The most environments that may wait for one client."""


class Backlog:
    """A newer change of an environment replaces the older one that waits.

    The client fetches the present state anyway, so the older one would tell it nothing.
    """

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[str, Frame] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, frame: Frame) -> bool:
        """Add a frame. Frames come in ascending order. Returns False if there is no room for it."""
        if len(self._waiting) >= BACKLOG_MOST and frame.environment_id not in self._waiting:
            return False
        put_newest(self._waiting, frame)
        return True

    def take(self) -> list[Frame]:
        """Remove and return all frames, in ascending order."""
        frames = list(self._waiting.values())
        self._waiting.clear()
        return frames

    def clear(self) -> None:
        """Drop all frames."""
        self._waiting.clear()
