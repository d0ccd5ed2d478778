"""The thread that looks for changes, one in each worker. It sleeps while nobody follows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from vault.errors import Unavailable
from vault.observe import metrics
from vault.services.sync.pulse import Pulse

log = structlog.get_logger(__name__)

RHYTHM_SECONDS = 0.075
"""The pause between two looks. A change is told after half of it on average."""
_AWAY_SECONDS = 0.25
_AWAY_MOST_SECONDS = 2.0
"""The pauses while the database does not answer: the first, and the longest."""
_FAILED_SECONDS = 1.0


class Tail:
    """Calls `turn` again and again while `is_needed`. A failure is logged, and the thread goes on."""

    def __init__(
        self,
        turn: Callable[[], None],
        is_needed: Callable[[], bool],
        pulse: Pulse,
        rhythm_seconds: float = RHYTHM_SECONDS,
    ) -> None:
        self._turn = turn
        self._is_needed = is_needed
        self._pulse = pulse
        self._rhythm_seconds = rhythm_seconds
        self._changed = threading.Condition(threading.Lock())
        self._is_woken = False
        self._stops = False
        self._away_seconds = 0.0
        self._thread = threading.Thread(target=self._run, name="tail", daemon=True)

    def start(self) -> None:
        """Start the thread, after the fork."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and wait for its turn to end."""
        with self._changed:
            self._stops = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    def wake(self) -> None:
        """Make the next turn begin at once. Thread-safe; the event loop may call it."""
        with self._changed:
            self._is_woken = True
            self._changed.notify()

    def _run(self) -> None:
        pause_seconds = 0.0
        while self._may_turn(pause_seconds):
            pause_seconds = self._guarded()
            self._pulse.beat()

    def _may_turn(self, pause_seconds: float) -> bool:
        """Wait until the next turn. Returns False when the thread must end."""
        with self._changed:
            if not self._is_woken and not self._stops:
                self._changed.wait(pause_seconds)
            while not self._stops and not self._is_needed():
                self._pulse.rest()
                self._changed.wait()
            self._is_woken = False
            if not self._stops:
                self._pulse.begin()
            return not self._stops

    def _guarded(self) -> float:
        """Run one turn, and return how long to pause after it."""
        started_seconds = time.monotonic()
        try:
            self._turn()
        except Unavailable as error:
            if not self._away_seconds:
                log.warning("feed_waits", error=type(error).__name__, hint="Streams stay open, and nothing is lost.")
            self._away_seconds = min(2 * self._away_seconds or _AWAY_SECONDS, _AWAY_MOST_SECONDS)
            return self._away_seconds
        except Exception:
            metrics().feed_failures.inc()
            log.exception("feed_turn_failed")
            return _FAILED_SECONDS
        if self._away_seconds:
            log.info("feed_goes_on")
            self._away_seconds = 0.0
        metrics().feed_turns.observe(time.monotonic() - started_seconds)
        return self._rhythm_seconds
