"""Reports which data of an erased person remains in archives: where, from when, and until when."""

from __future__ import annotations

from collections.abc import Iterable

from vault.model.clock import DAY_US, HOUR_US, as_datetime
from vault.services.backup.names import StoredArchive
from vault.services.backup.plan import BackupPlan
from vault.services.people.erasure import Remains

_DROPPED = "A restore erases it again, by the list of erased keys beside the archive."
_HOLDS = (
    "Anyone who has it, its backup key and the master key can read the erased data. It stays longer if backups pause "
    "or the clock is changed."
)


class KnownArchives:
    """Reports from the plan alone, without asking the places: an erasure's transaction must not wait for a
    network.
    """

    def __init__(self, plan: BackupPlan) -> None:
        self._plan = plan

    def remains(self, erased_us: int) -> tuple[Remains, ...]:
        """Return one entry for each place: the latest time at which its last archive with the erased data may be
        deleted.
        """
        keeping = self._plan.keeping
        until_us = erased_us + max(keeping.days * DAY_US, keeping.recent_hours * HOUR_US)
        sentence = f"Archives from before this moment hold it. {_HOLDS} {_DROPPED}"
        return tuple(Remains(place.address, until_us, sentence) for place in self._plan.places())


def of_archives(held: Iterable[StoredArchive], erased_us: int, now_us: int) -> tuple[Remains, ...]:
    """Return one entry for each archive from before the erasure, or with a date in the future from a wrong clock."""
    return tuple(
        Remains(
            each.place, each.until_us, f"The archive of {_moment(each.name.created_us)} holds it. {_HOLDS} {_DROPPED}"
        )
        for each in held
        if each.name.created_us <= erased_us or each.name.created_us > now_us
    )


def _moment(at_us: int) -> str:
    return f"{as_datetime(at_us):%Y-%m-%d %H:%M:%SZ}"
