"""When sessions and tokens were last used. The times are collected in memory, and a job writes them.

A read must not wait for a write, and must work while the database takes no writes. A worker that dies loses at most a
minute of these times.
"""

from __future__ import annotations

import threading
from contextlib import suppress

from vault.errors import MacError
from vault.model.clock import SECOND_US
from vault.storage import ColumnValues, Stale, Storage

STEP_US = 60 * SECOND_US
"""Times are stored to the minute, so a busy token causes at most one write a minute."""

_MOST = 100_000


class Touches:
    """What was used since the last `flush`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        self._tokens: dict[str, int] = {}
        self._sessions: dict[str, int] = {}
        self._digests: dict[str, tuple[bytes, ColumnValues]] = {}

    def token(self, token_id: str, last_used_us: int | None, now_us: int) -> None:
        """Note that a token was used."""
        self._note(self._tokens, token_id, last_used_us, now_us)

    def session(self, session_id: str, seen_us: int, now_us: int) -> None:
        """Note that a session was used."""
        self._note(self._sessions, session_id, seen_us, now_us)

    def token_digest(self, token_id: str, before: bytes, columns: ColumnValues) -> None:
        """Note the new digest for a token whose digest was made with a retired key."""
        with self._lock:
            if len(self._digests) < _MOST:
                self._digests[token_id] = (before, columns)

    def flush(self) -> None:
        """Write what was collected. Raises `DatabaseUnavailable`; the next flush tries again."""
        with self._lock:
            tokens, self._tokens = self._tokens, {}
            sessions, self._sessions = self._sessions, {}
            # If one is lost, it is made again when the token is used next.
            digests, self._digests = self._digests, {}
        self._write_digests(digests)
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
            # Go by id, so that two workers that flush at once lock the rows in the same order.
            for token_id, used_us in sorted(tokens.items()):
                unit.tokens.touch(token_id, used_us)
            for session_id, seen_us in sorted(sessions.items()):
                # Skip a row that another writer is changing, or that has a wrong MAC.
                with suppress(Stale, MacError):
                    row = unit.sessions.by_id(session_id)
                    if row is not None and row.revoked_us is None and row.seen_us < seen_us:
                        unit.sessions.change(row, seen_us=seen_us)

    def _write_digests(self, digests: dict[str, tuple[bytes, ColumnValues]]) -> None:
        for token_id, (before, columns) in sorted(digests.items()):
            with suppress(Stale, MacError), self._storage.write() as unit:
                row = unit.tokens.by_id(token_id)
                if row is not None and row.revoked_us is None and row.digest == before:
                    unit.tokens.change(row, **columns)

    def _note(self, gathered: dict[str, int], key: str, before_us: int | None, now_us: int) -> None:
        if before_us is not None and now_us - before_us < STEP_US:
            return
        with self._lock:
            if len(gathered) < _MOST:
                gathered[key] = now_us
