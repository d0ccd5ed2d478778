"""The names of archives: the vault, the counter, the time, and how long the archive is kept.

    strongroom-1f0c9a52b0e4-g000000004711-20261122T124843.123456Z-daily-7d3e90b1a2c4.srb
    strongroom-1f0c9a52b0e4-g000000004712-20261122T125000.000000Z-recent-x.srb.age
               │            │             │                       │      │ └ under a backup key, or for age recipients
               │            │             │                       │      └ the mark of its newest change
               │            │             │                       └ kept for days, or for hours
               │            │             └ the time (UTC), by the clock of the host that made it
               │            └ its counter: a later archive has a higher one, whatever the clock says
               └ the first twelve digits of the vault's id

Release 0.1.0 wrote no counters. Its archives count as older than all others, and are ordered by their times.

So a list of the names is all that the next backup, or an operator, needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from vault.model.clock import as_datetime, from_datetime

_PATTERN = re.compile(
    r"strongroom-([0-9a-f]{12})(?:-g(\d{12,15}))?-(\d{8}T\d{6}\.\d{6}Z)-(daily|recent)-([0-9a-f]{12}|x)(\.srb|\.srb\.age)",
    re.ASCII,
)
_MOMENT = "%Y%m%dT%H%M%S.%fZ"

COUNTER_MOST = 10**15 - 1
"""The highest counter that a name can have."""

NO_MARK = "x"
"""The mark of an archive that was made while an event had no position yet. It equals no other mark."""

KEY_SUFFIX = ".srb"
AGE_SUFFIX = ".srb.age"


class ArchiveKind(StrEnum):
    """How long an archive is kept: for days, or for hours."""

    DAILY = "daily"
    RECENT = "recent"


@dataclass(frozen=True, slots=True)
class ArchiveName:
    """The parts of an archive's name. The time is microseconds since 1970. Counter 0 means that the name has none."""

    vault: str
    created_us: int
    kind: ArchiveKind
    mark: str
    suffix: str
    counter: int = 0

    @classmethod
    def parse(cls, text: str) -> ArchiveName | None:
        """Return the parsed name; None for the name of anything else."""
        found = _PATTERN.fullmatch(text)
        if found is None:
            return None
        vault, counter, moment, kind, mark, suffix = found.groups()
        try:
            at = datetime.strptime(moment, _MOMENT).replace(tzinfo=UTC)
        except ValueError:
            return None
        return cls(vault, from_datetime(at), ArchiveKind(kind), mark, suffix, int(counter or 0))

    @property
    def order(self) -> tuple[int, int, str]:
        """The key that sorts archives of one vault, the oldest first."""
        return self.counter, self.created_us, str(self)

    def __str__(self) -> str:
        moment = as_datetime(self.created_us)
        counted = f"-g{self.counter:012}" if self.counter else ""
        return f"strongroom-{self.vault}{counted}-{moment.strftime(_MOMENT)}-{self.kind}-{self.mark}{self.suffix}"


def short_id(instance_id: str) -> str:
    """Return a vault's id in the form for file names."""
    return instance_id.replace("-", "")[:12]


def archives_in(names: Iterable[str], vault: str | None = None) -> list[ArchiveName]:
    """Return the archives among the names of a place, the oldest first, of one vault or of all."""
    found = [name for text in names if (name := ArchiveName.parse(text)) is not None]
    return sorted((name for name in found if vault in (None, name.vault)), key=lambda name: name.order)


@dataclass(frozen=True, slots=True)
class StoredArchive:
    """An archive in a place, and when it expires."""

    name: ArchiveName
    place: str
    size_bytes: int
    until_us: int
