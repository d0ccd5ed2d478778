"""Row MACs: every difference between two rows is a difference between their encodings."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.crypto.places import KEY, OTHER_KEY
from vault.crypto import RowFormat
from vault.errors import MacError

TOKENS = RowFormat("tokens", ("owner", "uses", "digest", "name"))
ROW = ("o-1", 3, b"\x00\x01", None)
MAC = TOKENS.mac(KEY, "t-1", ROW)

# No booleans: they are the integers 0 and 1 on purpose.
values = st.none() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=4) | st.binary(max_size=4)
rows = st.tuples(
    st.text(max_size=3),
    st.lists(values, min_size=1, max_size=2).map(tuple),
    st.dictionaries(st.text(max_size=2), values, max_size=3),
)
Row = tuple[str, tuple[Any, ...], dict[str, Any]]


def encoded(row: Row) -> bytes:
    """The encoding of a row with the columns' names."""
    table, primary_key, columns = row
    return RowFormat(table, tuple(columns)).encode(primary_key, tuple(columns.values()))


def typed(row: Row) -> tuple[Any, ...]:
    """The row, with its types: 1 and True are one number to Python too."""
    table, primary_key, columns = row
    return table, primary_key, sorted(columns.items())


@given(rows, rows)
def test_two_rows_share_an_encoding_only_when_they_are_the_same(one: Row, other: Row) -> None:
    assert (encoded(one) == encoded(other)) == (typed(one) == typed(other))


def test_the_order_of_columns_does_not_matter() -> None:
    turned = RowFormat("tokens", TOKENS.columns[::-1])
    assert turned.mac(KEY, "t-1", ROW[::-1]) == MAC


def test_true_is_the_one_that_sqlite_makes_of_it() -> None:
    assert TOKENS.encode("t", ("o", True, None, None)) == TOKENS.encode("t", ("o", 1, None, None))


def test_a_row_of_ours_passes() -> None:
    TOKENS.check(KEY, "t-1", ROW, MAC)


@pytest.mark.parametrize("position", range(4))
@pytest.mark.parametrize("forged", ["o-2", 4, b"\x00\x02", None, "", b"", "3", -3, 1.5, ...], ids=repr)
def test_a_changed_column_is_refused(position: int, forged: Any) -> None:
    changed = [*ROW[:position], forged, *ROW[position + 1 :]]
    if forged is ROW[position]:
        TOKENS.check(KEY, "t-1", changed, MAC)
        return
    with pytest.raises(MacError):
        TOKENS.check(KEY, "t-1", changed, MAC)


def test_a_row_moved_to_another_primary_key_or_table_is_refused() -> None:
    with pytest.raises(MacError):
        TOKENS.check(KEY, "t-2", ROW, MAC)
    with pytest.raises(MacError):
        RowFormat("sessions", TOKENS.columns).check(KEY, "t-1", ROW, MAC)


def test_another_key_is_refused() -> None:
    with pytest.raises(MacError):
        TOKENS.check(OTHER_KEY, "t-1", ROW, MAC)


@pytest.mark.parametrize("stored", [None, b"", MAC[:-1], MAC + b"\x00", MAC.hex(), 7, bytes(32)], ids=repr)
def test_a_stored_mac_that_is_none_is_refused(stored: Any) -> None:
    with pytest.raises(MacError):
        TOKENS.check(KEY, "t-1", ROW, stored)


def test_an_empty_text_is_no_null_and_no_empty_bytes() -> None:
    assert len({TOKENS.encode("t", ("o", empty, None, None)) for empty in ("", b"", None, 0)}) == 4


def test_long_texts_are_encoded_too() -> None:
    assert len({TOKENS.encode("t", (text, 0, None, None)) for text in ("x" * 255, "x" * 256, "x" * 70_000)}) == 3


def test_a_number_beyond_64_bits_is_an_error_of_the_programs() -> None:
    with pytest.raises(struct.error):
        TOKENS.mac(KEY, "t-1", ("o", 2**63, None, None))


def test_a_column_named_twice_and_a_row_of_another_width_are_errors() -> None:
    with pytest.raises(ValueError, match="twice"):
        RowFormat("tokens", ("a", "a"))
    with pytest.raises(ValueError, match="4 columns"):
        TOKENS.encode("t-1", ROW[:-1])
