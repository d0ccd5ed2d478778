"""The epoch of the feed. A new vault and a restore begin one; after an upgrade, the first who finds none does."""

from __future__ import annotations

from vault.errors import DatabaseUnavailable
from vault.model.clock import Clock
from vault.storage import FeedEpoch, Storage, UnitOfWork


class Epochs:
    """Reads the epoch of the feed."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    def present(self, unit: UnitOfWork) -> FeedEpoch:
        """Return the present epoch. Begin the first one if there is none. Not for use inside a transaction."""
        found = unit.feed.epoch()
        if found is None:
            self.begin()
            found = unit.feed.epoch()
        if found is None:
            raise DatabaseUnavailable()
        return found

    def begin(self) -> None:
        """Begin the first epoch, unless there is one."""
        self._storage.transaction(self._begin)

    def _begin(self, unit: UnitOfWork) -> None:
        unit.feed.begin_first(self._clock())
        unit.marks.fill()
