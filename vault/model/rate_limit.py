"""How often something may happen: a token bucket."""

from __future__ import annotations


class RateLimit:
    """Allows `per_second` a second for long, and `at_once` after a pause. Times are of a clock that never goes back."""

    __slots__ = ("_at_once", "_counted_seconds", "_left", "_per_second")

    def __init__(self, per_second: float, at_once: float, now_seconds: float) -> None:
        self._per_second = per_second
        self._at_once = self._left = at_once
        self._counted_seconds = now_seconds

    def allows(self, now_seconds: float) -> bool:
        """Count one more. Returns False, and does not count it, if it comes too fast."""
        earned = (now_seconds - self._counted_seconds) * self._per_second
        self._left = min(self._left + earned, self._at_once)
        self._counted_seconds = now_seconds
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
