"""The row formats after the first that this release knows, and their state in a database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from vault.storage.rows.workers import Workers
from vault.storage.signing.authority import SIGNED_TABLES
from vault.storage.signing.row_formats import stored_formats
from vault.storage.signing.signed import FIRST_FORMAT, SignedTable


@dataclass(frozen=True, slots=True)
class FormatStatus:
    """A row format after the first. It is opened when the workers in `waits_for` have ended."""

    table: str
    number: int
    opened_us: int | None
    settled_us: int | None
    waits_for: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Return the state as a sentence for an operator."""
        name = f"Row format {self.number} of {self.table}"
        if self.waits_for:
            return f"{name} is not in use yet. Stop these older workers: {', '.join(self.waits_for)}."
        if self.opened_us is None:
            return f"{name} is not in use yet. A worker of this release opens it within seconds of its start."
        if self.settled_us is None:
            return f"{name} is in use. Rows of older formats are being signed again."
        return f"{name} is in use, and no row has an older format."


def later_formats() -> Iterator[tuple[SignedTable, int]]:
    """Yield every format after the first in this release's code, the oldest of each table first."""
    for signed in SIGNED_TABLES.values():
        yield from ((signed, number) for number in sorted(signed.own_formats - {FIRST_FORMAT}))


def format_states(connection: Connection, now_us: int) -> list[FormatStatus]:
    """Return the state of every later format. It needs no key and checks no MAC, so use it only for display."""
    stored = {row.id: row for row in stored_formats(connection)}
    living = Workers(connection).living(now_us)
    found = []
    for signed, number in later_formats():
        row = stored.get(f"{signed.table.name}.{number}")
        waits_for = () if row else tuple(each.described for each in living if each.row_format < number)
        opened_us, settled_us = (row.opened_us, row.settled_us) if row else (None, None)
        found.append(FormatStatus(signed.table.name, number, opened_us, settled_us, waits_for))
    return found
