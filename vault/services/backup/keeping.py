"""How long archives are kept, and how far their dates can be trusted: no clock alone decides what is deleted.

Which archive is newer is told by the counters in their names (`names.py`). How old one is, is told by the dates of all
archives of a place in the order of their counters: only gaps that a schedule of backups explains count as time.

    counter     41          42          43      44 (clock a year ahead)     45 (clock right again)
    date        Mon         Tue         Wed     Wed, next year              Wed, five minutes later
    counts            1 day       1 day       0                           0

So a clock that leaps makes no archive older, and one that was always right deletes as its owner asked.

Who can write to a place can put files there whose names make gaps. They can make no archive go before its own date
says so: gaps alone decide only about archives that are dated in the future.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vault.services.backup.names import ArchiveName, Kind
from vault.services.clock import DAY_US, HOUR_US, SECOND_US

LATE_US = 26 * HOUR_US
"""A daily backup, and two hours for one that is late. A longer gap may be a clock that was set."""
_CLOCKS_DIFFER_US = 300 * SECOND_US
"""As far as the clocks of two hosts may differ without anybody's fault."""


@dataclass(frozen=True, slots=True)
class Past:
    """Which archives may go, and which are kept although their dates say that they may."""

    deleted: list[ArchiveName]
    doubtful: list[ArchiveName]


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long archives are kept."""

    days: int
    recent_hours: int

    def until_us(self, name: ArchiveName) -> int:
        """When an archive may go, if every clock is right."""
        return name.created_us + self._kept_us(name)

    def past(self, names: Sequence[ArchiveName], made: ArchiveName, now_us: int, *, trust_clock: bool = False) -> Past:
        """What may go of a vault's archives in one place (the oldest first), now that `made` lies there.

        `made` never goes, so the last good one stays. `trust_clock` believes every date.
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
        return self.days * DAY_US if name.kind is Kind.DAILY else self.recent_hours * HOUR_US


def ahead(names: Iterable[ArchiveName], now_us: int) -> list[ArchiveName]:
    """The archives that are dated in the future: the clock was wrong when they were made, or is wrong now."""
    return [name for name in names if name.created_us > now_us + _CLOCKS_DIFFER_US]


def doubts(place: str, names: Sequence[ArchiveName], made: ArchiveName, past: Past, now_us: int) -> list[str]:
    """What is strange about the dates of a place's archives, in sentences. `past` is what became of them."""
    found = []
    before = [name for name in names if name.order < made.order]
    if before and _leaps(before[-1], made):
        found.append(
            f"The archive before this one in {place} is {before[-1]}: since then the clock was set, or no backup was "
            "made. No archive counts as older for that time."
        )
    if future := ahead([name for name in names if name not in past.deleted], now_us):
        found.append(
            f"{place} has {len(future)} archives that are dated in the future, such as {future[-1]}: a clock was "
            "wrong, or is wrong now."
        )
    if past.doubtful:
        found.append(
            f"{place} keeps {len(past.doubtful)} archives that are past their time by their dates, because the gaps "
            "between its archives are too long to trust the clock. If the clock was right all the time, `strongroom "
            "backup create --trust-clock` deletes them."
        )
    return found


def _leaps(before: ArchiveName, after: ArchiveName) -> bool:
    """Whether the clock was set between two archives, as far as their dates tell: it went back, or on by over a day."""
    return not -_CLOCKS_DIFFER_US <= after.created_us - before.created_us <= LATE_US


def _ages(names: Sequence[ArchiveName], now_us: int) -> list[int]:
    """The age of each archive, by the gaps that count as time: never more than has really passed since it was made,
    unless the clock was set on by less than `LATE_US` at once."""
    if not names:
        return []
    latest, is_steady, total, reached = names[0].created_us, True, 0, [0]
    for date in [*(name.created_us for name in names[1:]), now_us]:
        gap = date - latest
        if -LATE_US <= gap <= 0:
            # The clock went back a little. Nothing counts until it is where it was.
            is_steady = False
        else:
            if is_steady and 0 < gap <= LATE_US:
                total += gap
            latest, is_steady = date, True
        reached.append(total)
    return [total - each for each in reached[:-1]]
