"""What is remembered stays within its bytes, as Python itself counts them."""

from __future__ import annotations

import secrets
import sys
import threading
import tracemalloc
import uuid

import pytest
from sqlalchemy import Boolean, Column, Integer, String

from vault.crypto import Key
from vault.storage.rows.users import User, Users
from vault.storage.signing.authority import SIGNED_TABLES
from vault.storage.signing.memo import Memo, RowSize
from vault.storage.signing.signed import RowSigner, SignedTable
from vault.storage.walks import hot

LIMIT = 4 * 1024 * 1024


def test_the_oldest_are_forgotten_and_not_everything() -> None:
    memo: Memo[int, str] = Memo(10_000)
    for number in range(1000):
        memo.put(number, str(number), 750)
    assert [number for number in range(1000) if memo.get(number, "")] == list(range(990, 1000))
    assert memo.held_bytes == 10_000


def test_what_is_larger_than_all_of_it_is_not_kept() -> None:
    memo: Memo[str, str] = Memo(1000)
    memo.put("small", "x", 100)
    memo.put("large", "x", 2000)
    assert (memo.get("small", ""), memo.get("large", "")) == ("x", "")


def test_what_is_put_twice_counts_once() -> None:
    memo: Memo[str, str] = Memo(1000)
    for _ in range(10):
        memo.put("a", "x", 100)
    assert (len(memo), memo.held_bytes) == (1, 350)


def test_threads_that_put_at_once_leave_a_true_count() -> None:
    memo: Memo[tuple[int, int], str] = Memo(200_000)

    def fill(thread: int) -> None:
        for number in range(5000):
            memo.put((thread, number), "x", 100)

    threads = [threading.Thread(target=fill, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert memo.held_bytes == len(memo) * 350 <= 200_000


def user_row() -> dict[str, object]:
    values: dict[str, object] = {}
    for column in Users.signed.table.columns:
        kind = column.type.python_type
        values[column.name] = (
            10**15 if kind is int else secrets.token_hex(16) if kind is str else secrets.token_bytes(32)
        )
    # The row of a format that is not open would be refused.
    return values | Users.signed.before | {"row_format": 1}


def test_checked_rows_take_no_more_than_the_documented_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.storage.signing.signed._MEMO_BYTES", LIMIT)
    signer = RowSigner(Key(str(uuid.uuid4()), secrets.token_bytes(32)))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(8000):
            row = signer.sign(Users.signed, user_row())
            signer.check(Users.signed, Users.signed.ordered(row))
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(signer._memo) < 8000
    assert LIMIT / 2 < held < LIMIT * 1.1


def test_rows_of_the_hot_reads_take_no_more_than_they_are_counted_for() -> None:
    memo: Memo[tuple[object, ...], tuple[object, ...]] = Memo(LIMIT)
    names = list(Users.signed.order)
    row_size, nouns_size = RowSize(Users.signed.columns * 3), 3 * hot._noun_size(Users.signed, User)
    make = Users.signed.maker(User, Users.signed.order)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(4000):
            rows = [tuple(user_row().get(name, b"") for name in names) for _ in range(3)]
            row = tuple(value for each in rows for value in each)
            parts = tuple(map(make, rows))
            memo.put(row, parts, row_size.of(row) + nouns_size)
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(memo) < 4000
    assert LIMIT / 2 < held < LIMIT * 1.1


LONG = {"ascii": "x", "two bytes": "ä", "four bytes": "\N{KEY}"}


@pytest.mark.parametrize("letter", LONG.values(), ids=LONG)
@pytest.mark.parametrize("signed", SIGNED_TABLES.values(), ids=SIGNED_TABLES)
def test_no_row_is_larger_than_its_count(signed: SignedTable, letter: str) -> None:
    row = tuple(largest(column, letter) for column in signed.columns)
    # One object shared by several columns would count once in memory and several times here.
    assert sys.getsizeof(row) + sum(map(sys.getsizeof, row)) <= signed.row_size.of(row)
    empty = (None,) * len(row)
    assert sys.getsizeof(empty) + sum(map(sys.getsizeof, empty)) <= signed.row_size.of(empty)


def largest(column: Column[object], letter: str) -> object:
    """The largest value of a column. Short texts are the program's own words; people may write any letter in others."""
    kind = column.type
    length: int = getattr(kind, "length", None) or 5000
    if isinstance(kind, Integer | Boolean):
        return 2**63 - 1
    if isinstance(kind, String):
        return ("x" if length <= 36 else letter) * length
    return bytes(length)
