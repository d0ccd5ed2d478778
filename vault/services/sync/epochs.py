"""The epoch of the feed. A new vault and a restore begin one. After an upgrade, the first worker does."""

from __future__ import annotations

from vault.errors import Unavailable
from vault.model.clock import Clock
from vault.storage import FeedEpoch, Storage, UnitOfWork


class Epochs:
    """Reads the epoch of the feed."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    def present(self, unit: UnitOfWork) -> FeedEpoch:
        """Return the present epoch. Raises `Unavailable` in the first seconds after an upgrade."""
        found = unit.feed.epoch()
        if found is None:
            raise Unavailable("The feed of changes begins in a moment. Try again.")
        return found

    def begin_first(self) -> None:
        """Begin the first epoch of an upgraded vault, unless there is one."""
        with self._storage.read() as unit:
            if unit.feed.epoch() is not None:
                return
        self._storage.transaction(self._begin)

    def _begin(self, unit: UnitOfWork) -> None:
        unit.feed.begin_first(self._clock())
        unit.marks.fill()
