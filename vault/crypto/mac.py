"""MACs of database rows that decide rights. Every database has the same encoding of a row.

    format = 1 ‖ text(table) ‖ u32 number of columns ‖ text(name) of each, sorted
               ‖ u32 number of key parts ‖ value of each key part ‖ value of each column, in the order of the names

    text(t)  = u32 length ‖ UTF-8
    value    = 0                            NULL
             | 1 ‖ i64                      an integer; a boolean is 0 or 1, as in SQLite
             | 2 ‖ u32 length ‖ UTF-8       text
             | 3 ‖ u32 length ‖ bytes       bytes

Every field has a fixed width or carries its length, so two different rows never share an encoding. A request checks
about ten rows, so `RowFormat` encodes once what all rows of a table share.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Sequence

from vault.crypto.key import Key
from vault.crypto.prf import hmac_sha256
from vault.errors import MacError

FORMAT = 1

Value = None | int | str | bytes
PrimaryKey = Value | tuple[Value, ...]

_U32 = struct.Struct(">I")
_TAGGED_INTEGER = struct.Struct(">Bq")
_TAGGED_LENGTH = struct.Struct(">BI")
_NULL, _INTEGER, _TEXT, _BYTES = range(4)
_NULL_ENCODED = bytes([_NULL])
# Most texts are short. Looking up the encoding of a length is faster than making it.
_SHORT_TEXT = tuple(_TAGGED_LENGTH.pack(_TEXT, length) for length in range(256))


class RowFormat:
    """The encoding of one table's rows. The MAC covers the primary key and `columns`."""

    __slots__ = ("_order", "_prefix", "columns", "table")

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        if len(set(columns)) != len(columns):
            raise ValueError(f"A column of {table} is named twice.")
        self.table = table
        self.columns = tuple(columns)
        self._order = tuple(sorted(range(len(columns)), key=self.columns.__getitem__))
        names = [_text(name) for name in sorted(columns)]
        self._prefix = b"".join([bytes([FORMAT]), _text(table), _U32.pack(len(names)), *names])

    def encode(self, primary_key: PrimaryKey, values: Sequence[Value]) -> bytes:
        """Return the encoding of one row; `values` are in the order of `columns`."""
        if len(values) != len(self._order):
            raise ValueError(f"A row of {self.table} has {len(self._order)} columns under its MAC.")
        key_parts = primary_key if isinstance(primary_key, tuple) else (primary_key,)
        parts = [self._prefix, _U32.pack(len(key_parts))]
        parts += map(_value, key_parts)
        parts += [_value(values[position]) for position in self._order]
        return b"".join(parts)

    def mac(self, key: Key, primary_key: PrimaryKey, values: Sequence[Value]) -> bytes:
        """Return the HMAC-SHA256 of one row, 32 bytes."""
        return hmac_sha256(key, self.encode(primary_key, values))

    def check(self, key: Key, primary_key: PrimaryKey, values: Sequence[Value], stored: bytes | None) -> None:
        """Raise `MacError` unless `stored` is this row's MAC, compared in constant time."""
        try:
            encoded = self.encode(primary_key, values)
        except (TypeError, struct.error):
            # SQLite accepts a real number in a column of text. This vault never writes one.
            raise MacError() from None
        if not isinstance(stored, bytes) or not hmac.compare_digest(hmac_sha256(key, encoded), stored):
            raise MacError()


def _value(value: Value) -> bytes:
    if isinstance(value, str):
        raw = value.encode()
        length = len(raw)
        return (_SHORT_TEXT[length] if length < 256 else _TAGGED_LENGTH.pack(_TEXT, length)) + raw
    if value is None:
        return _NULL_ENCODED
    if isinstance(value, int):
        return _TAGGED_INTEGER.pack(_INTEGER, value)
    if isinstance(value, bytes):
        return _TAGGED_LENGTH.pack(_BYTES, len(value)) + value
    raise TypeError(f"A MAC covers only NULL, integers, text and bytes, not {type(value).__name__}.")


def _text(text: str) -> bytes:
    raw = text.encode()
    return _U32.pack(len(raw)) + raw
