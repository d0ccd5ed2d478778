"""Compares signed rows with the audit. An old row that was restored with its old MAC passes every other check."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple

from vault.storage import UnitOfWork
from vault.storage.signing.authority import REPOSITORIES, standing


@dataclass(frozen=True, slots=True)
class _Told:
    """The content of the newest events about a row. `macs` has an empty one if the row was deleted.

    A row that was signed again in a newer format keeps its version and values, so either MAC is right.
    """

    row_version: int
    macs: frozenset[str]
    mac_key_id: str

    @property
    def is_deleted(self) -> bool:
        return "" in self.macs


class Standing(NamedTuple):
    """A row in its present state."""

    table: str
    key: str
    row_version: int
    mac_key_id: str
    mac: bytes

    def __str__(self) -> str:
        return f"The row {self.key} of {self.table}"


class Authority:
    """Collects what events state about rows, and compares it with the tables."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], _Told] = {}
        self.compared = 0

    def note(self, rows: str) -> None:
        """Note the rows of one event, in the form of `Event.rows`."""
        mac_key_id, *written = json.loads(rows)
        for table, key, row_version, mac in written:
            before = self._told.get((table, key))
            if before is None or row_version >= before.row_version:
                is_same = before is not None and (row_version, mac_key_id) == (before.row_version, before.mac_key_id)
                earlier = before.macs if before is not None and is_same else frozenset()
                self._told[table, key] = _Told(row_version, earlier | {mac}, mac_key_id)

    def is_needed(self, rows: str, standing_keys: set[tuple[str, str]]) -> bool:
        """Report whether an event must be kept: it is the newest about an existing row, or reports a deletion."""
        _, *written = json.loads(rows)
        return any(
            not mac or ((table, key) in standing_keys and self._told[table, key].row_version == row_version)
            for table, key, row_version, mac in written
        )

    def suspects(self, unit: UnitOfWork) -> tuple[list[str], list[Standing]]:
        """Return faults of rows that events mention, and the rows that no event has mentioned yet."""
        faults: list[str] = []
        untold: list[Standing] = []
        for repository in REPOSITORIES:
            table = repository.signed.table.name
            for found in standing(unit.connection, repository.signed):
                self.compared += 1
                row = Standing(table, *found)
                told = self._told.get((table, row.key))
                if told is None:
                    untold.append(row)
                elif (sentence := _fault(row, told)) is not None:
                    faults.append(sentence)
        return faults, untold

    def untold(self, row: Standing) -> str | None:
        """Return the fault of a row if there is still no event about it."""
        if (row.table, row.key) in self._told:
            return None
        return f"{row} exists, but no event mentions it. It was put back after its events were pruned."


def _fault(row: Standing, told: _Told) -> str | None:
    if told.is_deleted and row.row_version < told.row_version:
        return f"{row} was deleted, but has been put back."
    if row.row_version < told.row_version:
        return f"{row} was put back to version {row.row_version}; the newest that was written is {told.row_version}."
    # A reseal signs the same row again with another key.
    is_same_key = row.row_version == told.row_version and row.mac_key_id == told.mac_key_id
    if is_same_key and bytes(row.mac).hex() not in told.macs:
        return f"{row} has version {row.row_version}, but is not the row that was written as this version."
    return None


def standing_keys(unit: UnitOfWork) -> set[tuple[str, str]]:
    """Return table and key of every signed row."""
    return {
        (repository.signed.table.name, key)
        for repository in REPOSITORIES
        for key, *_ in standing(unit.connection, repository.signed)
    }
