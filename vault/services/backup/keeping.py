"""How long archives are kept. No single wrong date can delete an archive.

The counters in the names (`names.py`) say which archive is newer. The age of an archive is the sum of the gaps between
the dates of all later archives in the place, in the order of their counters. Only gaps of at most `LATE_US` count.

    counter     41          42          43      44 (clock a year fast)      45 (clock right again)
    date        Mon         Tue         Wed     Wed, next year              Wed, five minutes later
    counts            1 day       1 day       0                           0

So a clock that jumps makes no archive older, and a clock that was always right deletes at the configured time.

Someone who can write to a place can add files whose names make gaps. They still cannot make an archive go before its
own date allows it: only for archives that are dated in the future do the gaps decide alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vault.model.clock import CLOCKS_DIFFER_US, DAY_US, HOUR_US
from vault.services.backup.names import ArchiveKind, ArchiveName

LATE_US = 26 * HOUR_US
"""A day, and two hours for a late backup. A longer gap may mean that the clock was changed."""


@dataclass(frozen=True, slots=True)
class Past:
    """The archives to delete, and those that are kept although their dates say that they expired."""

    deleted: list[ArchiveName]
    doubtful: list[ArchiveName]


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long archives are kept."""

    days: int
    recent_hours: int

    def until_us(self, name: ArchiveName) -> int:
        """Return when an archive expires, if every clock is right."""
        return name.created_us + self._kept_us(name)

    def past(self, names: Sequence[ArchiveName], made: ArchiveName, now_us: int, *, trust_clock: bool = False) -> Past:
        """Return which of a vault's archives in one place (the oldest first) have expired, now that `made` is there.

        `made` is never deleted, so the newest good archive stays. `trust_clock` decides by dates only.
        """
        past = Past([], [])
        for name, age_us in zip(names, _ages(names, now_us), strict=True):
            by_date = self.until_us(name) <= now_us
            is_old = age_us >= self._kept_us(name) and (by_date or name.created_us > now_us)
            if name == made:
                continue
            if is_old or (by_date and trust_clock):
                past.deleted.append(name)
            elif by_date:
                past.doubtful.append(name)
        return past

    def _kept_us(self, name: ArchiveName) -> int:
        return self.days * DAY_US if name.kind is ArchiveKind.DAILY else self.recent_hours * HOUR_US


def ahead(names: Iterable[ArchiveName], now_us: int) -> list[ArchiveName]:
    """Return the archives with a date in the future. The clock was wrong when they were made, or is wrong now."""
    return [name for name in names if name.created_us > now_us + CLOCKS_DIFFER_US]


def doubts(place: str, names: Sequence[ArchiveName], made: ArchiveName, past: Past, now_us: int) -> list[str]:
    """Return warnings about the dates of a place's archives. `past` is the result of `Keeping.past`."""
    found = []
    before = [name for name in names if name.order < made.order]
    if before and _leaps(before[-1], made):
        found.append(
            f"The previous archive in {place} is {before[-1]}. Since then the clock was changed, or no "
            "backup was made for a long time. That time does not count towards the age of archives."
        )
    if future := ahead([name for name in names if name not in past.deleted], now_us):
        found.append(
            f"{place} has {len(future)} archives that are dated in the future, such as {future[-1]}. A clock was "
            "wrong, or is wrong now: check the clocks."
        )
    if past.doubtful:
        found.append(
            f"{place} keeps {len(past.doubtful)} archives whose dates say that they expired, because the gaps between "
            "its archives are too long to trust the clock. If the clock was always right, delete them with "
            "`strongroom backup create --trust-clock`."
        )
    return found


def _leaps(before: ArchiveName, after: ArchiveName) -> bool:
    """Report whether the clock seems to have changed between two archives: back, or forward by more than a day."""
    return not -CLOCKS_DIFFER_US <= after.created_us - before.created_us <= LATE_US


def _ages(names: Sequence[ArchiveName], now_us: int) -> list[int]:
    """Return the age of each archive: the sum of the gaps that count. It is never more than the real age, unless the
    clock was set forward by less than `LATE_US`.
    """
    if not names:
        return []
    latest, is_steady, total, reached = names[0].created_us, True, 0, [0]
    for date in [*(name.created_us for name in names[1:]), now_us]:
        gap = date - latest
        if -LATE_US <= gap <= 0:
            # The clock went back a little. Count nothing until it has caught up.
            is_steady = False
        else:
            if is_steady and 0 < gap <= LATE_US:
                total += gap
            latest, is_steady = date, True
        reached.append(total)
    return [total - each for each in reached[:-1]]
