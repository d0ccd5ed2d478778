"""When sessions and tokens were last used: gathered in memory, written by a job.

A read must not wait for a write, and must go on while the database takes none. What is lost with a worker that
dies is at most a minute of "last used".
"""

from __future__ import annotations

import threading

from vault.services.clock import SECOND_US
from vault.storage import Stale, Storage

STEP_US = 60 * SECOND_US
"""Last used is kept to the minute: one write a minute for a busy token, and no more."""

_MOST = 100_000


class Touches:
    """What was used since the last `flush`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        self._tokens: dict[str, int] = {}
        self._sessions: dict[str, int] = {}

    def token(self, token_id: str, last_used_us: int | None, now_us: int) -> None:
        """A token was used."""
        self._note(self._tokens, token_id, last_used_us, now_us)

    def session(self, session_id: str, seen_us: int, now_us: int) -> None:
        """A session was used."""
        self._note(self._sessions, session_id, seen_us, now_us)

    def flush(self) -> None:
        """Write what was gathered. Raises `DatabaseUnavailable`; it is tried again with the next flush."""
        with self._lock:
            tokens, self._tokens = self._tokens, {}
            sessions, self._sessions = self._sessions, {}
        if not tokens and not sessions:
            return
        try:
            self._write(tokens, sessions)
        except Exception:
            with self._lock:
                self._tokens = {**tokens, **self._tokens}
                self._sessions = {**sessions, **self._sessions}
            raise

    def _write(self, tokens: dict[str, int], sessions: dict[str, int]) -> None:
        with self._storage.write() as unit:
            # In order of id: two workers that flush at once lock the rows in the same order.
            for token_id, used_us in sorted(tokens.items()):
                unit.tokens.touch(token_id, used_us)
            for session_id, seen_us in sorted(sessions.items()):
                row = unit.sessions.by_id(session_id)
                if row is None or row.revoked_us is not None or row.seen_us >= seen_us:
                    continue
                try:
                    unit.sessions.change(row, seen_us=seen_us)
                except Stale:
                    # Somebody else has just written it, and later than this.
                    continue

    def _note(self, gathered: dict[str, int], key: str, before_us: int | None, now_us: int) -> None:
        if before_us is not None and now_us - before_us < STEP_US:
            return
        with self._lock:
            if len(gathered) < _MOST:
                gathered[key] = now_us
