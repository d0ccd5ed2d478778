"""How fast a client may send messages."""

from __future__ import annotations


class Pace:
    """Allows `per_second` messages a second, and as many at once. `now_seconds` is a clock that never goes back."""

    __slots__ = ("_counted_seconds", "_left", "_per_second")

    def __init__(self, per_second: int, now_seconds: float) -> None:
        self._per_second = per_second
        self._left = float(per_second)
        self._counted_seconds = now_seconds

    def allows(self, now_seconds: float) -> bool:
        """Count one message. Returns False if it came too fast."""
        earned = (now_seconds - self._counted_seconds) * self._per_second
        self._left = min(self._left + earned, float(self._per_second))
        self._counted_seconds = now_seconds
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
