"""The row formats after the first that this release knows, and how each of them stands in a database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select

from vault.storage.authority import SIGNED_TABLES
from vault.storage.repository import Record
from vault.storage.signed import FIRST_FORMAT, SignedTable
from vault.storage.tables import row_formats
from vault.storage.upkeep import Workers


@dataclass(frozen=True, slots=True)
class FormatStatus:
    """A row format after the first. `waits_for` are the workers that must end before it is opened."""

    table: str
    number: int
    opened_us: int | None
    settled_us: int | None
    waits_for: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """How it stands, for an operator."""
        name = f"Row format {self.number} of {self.table}"
        if self.waits_for:
            return f"{name} is not written yet: it waits for the end of {', '.join(self.waits_for)}."
        if self.opened_us is None:
            return f"{name} is not written yet: a worker of this release opens it within seconds of its start."
        if self.settled_us is None:
            return f"{name} is written. Rows of older formats are being signed again."
        return f"{name} is written, and no row is of an older one."


def later_formats() -> Iterator[tuple[SignedTable, int]]:
    """Every format after the first that this release has in its code, the oldest of a table first."""
    for signed in SIGNED_TABLES.values():
        yield from ((signed, number) for number in sorted(signed.own_formats - {FIRST_FORMAT}))


def format_states(connection: Connection, now_us: int) -> list[FormatStatus]:
    """How every later format stands. It needs no key, so nothing of it is proven: it is for showing only."""
    stored = {row.id: row for row in connection.execute(select(row_formats))}
    living = Workers(connection).living(now_us)
    found = []
    for signed, number in later_formats():
        row = stored.get(f"{signed.table.name}.{number}")
        waits_for = () if row else tuple(worker_words(each) for each in living if each.row_format < number)
        opened_us, settled_us = (row.opened_us, row.settled_us) if row else (None, None)
        found.append(FormatStatus(signed.table.name, number, opened_us, settled_us, waits_for))
    return found


def worker_words(worker: Record) -> str:
    """Where a worker runs, and its release."""
    return f"{worker.host} (process {worker.pid}, release {worker.release or '0.1.0'})"
