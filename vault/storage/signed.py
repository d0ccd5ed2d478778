"""Rows that carry authority are signed: each has a MAC over its table, its key and its columns.

Whoever can write to the database but does not hold the vault's keys can thus neither forge nor widen a row.
What they can do is put an old row back together with its old MAC; the audit finds that.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Table

from vault.crypto import Key, RowFormat, keyed_digest
from vault.errors import MacError

_SIGNATURE = ("mac_key_id", "mac")
_MEMO_ENTRIES = 50_000
"""Rows whose MAC has been checked once. About 20 MB at most; a checked row costs 1 µs instead of 6."""


class RowSigner:
    """The MAC keys of this vault: one signs, all that are not destroyed check."""

    def __init__(self, active: Key, retired: Iterable[Key] = ()) -> None:
        self._active = active
        self._keys = {key.id: key for key in (active, *retired)}
        self._memo: dict[tuple[Any, ...], None] = {}

    @property
    def active(self) -> Key:
        """The key that signs."""
        return self._active

    def sign(self, signed: SignedTable, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return `values` with `mac_key_id` and `mac` for the row that they make."""
        key, columns = signed.split(values)
        mac = signed.format.mac(self._active, key, columns)
        return {**values, "mac_key_id": self._active.id, "mac": mac}

    def check(self, signed: SignedTable, row: Sequence[Any]) -> None:
        """Raise `MacError` unless this vault wrote `row` (its values in the order of `signed.order`).

        The very same values with the very same MAC are checked once only: the memo's key is all of them.
        """
        entry = (signed.table.name, *row)
        if entry in self._memo:
            return
        self.verify(signed, row)
        if len(self._memo) >= _MEMO_ENTRIES:
            self._memo.clear()
        self._memo[entry] = None

    def verify(self, signed: SignedTable, row: Sequence[Any]) -> None:
        """As `check`, for whoever remembers by themselves what was checked."""
        key = self._keys.get(row[-2])
        if key is None:
            raise MacError()
        width = len(signed.key_names)
        signed.format.check(key, tuple(row[:width]), tuple(row[width:-2]), row[-1])

    @property
    def key_id(self) -> str:
        """The key that signs."""
        return self._active.id

    def stamp(self, data: bytes) -> tuple[str, bytes]:
        """The id of the active key and its MAC over `data`: for what is no row of columns."""
        return self._active.id, keyed_digest(self._active, "stamp", data)

    def vouches(self, data: bytes, key_id: str | None, mac: bytes | None) -> bool | None:
        """Whether `mac` is this vault's over `data`; None where its key is not known (any more)."""
        key = self._keys.get(key_id or "")
        if key is None:
            return None
        return mac is not None and hmac.compare_digest(keyed_digest(key, "stamp", data), mac)


class SignedTable:
    """Which columns of a table are covered: all, less those that carry no authority and say so here."""

    def __init__(self, table: Table, *, uncovered: Sequence[str] = ()) -> None:
        self.table = table
        self.key_names = tuple(column.name for column in table.primary_key)
        left_out = {*self.key_names, *uncovered, *_SIGNATURE}
        self.covered = tuple(column.name for column in table.columns if column.name not in left_out)
        self.order = (*self.key_names, *self.covered, *_SIGNATURE)
        self.format = RowFormat(table.name, self.covered)

    @property
    def columns(self) -> list[Column[Any]]:
        """The columns in the order that `RowSigner.check` takes them in."""
        return [self.table.columns[name] for name in self.order]

    def split(self, values: Mapping[str, Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The primary key and the covered columns of `values`."""
        return tuple(values[name] for name in self.key_names), tuple(values[name] for name in self.covered)

    def ordered(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """`values` in the order that `RowSigner.check` takes them in."""
        return tuple(values[name] for name in self.order)
