"""Row formats: which columns a row's MAC covers, whatever release has written the row."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from vault.crypto import RowFormat, new_key
from vault.errors import MacError, NewerRowFormat
from vault.storage.signing.signed import FormatNotOpen, RowSigner, SignedTable

KEY = new_key()
OPEN = {"people": {3, 4}}
ADDED: dict[int, dict[str, Any]] = {3: {"must_change": False}, 4: {"limit": None, "note": ""}}
ROW = {"id": "ada", "name": "Ada", "role": "user", "row_version": 1}


def people(*numbers: int) -> SignedTable:
    """The table as a release has it that knows format 1 and these."""
    names = [name for number in numbers for name in ADDED[number]]
    table = sa.Table(
        "people",
        sa.MetaData(),
        sa.Column("id", sa.String, primary_key=True),
        *(sa.Column(name, sa.String) for name in ("name", "role", "row_version", *names)),
        sa.Column("seen", sa.Integer),
        *(sa.Column(name, sa.Integer) for name in ("row_format", "mac_key_id", "mac")),
    )
    return SignedTable(table, uncovered=("seen",), added={number: ADDED[number] for number in numbers})


def filled(signed: SignedTable, values: dict[str, Any]) -> tuple[Any, ...]:
    """The row as the database has it: columns that its writer did not know hold their defaults."""
    return signed.ordered({**signed.before, **values})


def test_a_row_of_the_first_format_has_the_mac_that_the_first_release_gave_it() -> None:
    first = RowFormat("people", ("name", "role", "row_version"))
    expected = first.mac(KEY, "ada", ("Ada", "user", 1))
    for signed in (people(), people(3), people(3, 4)):
        row = RowSigner(KEY).sign(signed, {**signed.before, **ROW})
        assert (row["row_format"], row["mac"]) == (1, expected)


def test_rows_of_every_format_are_checked_by_their_own() -> None:
    newest = people(3, 4)
    for numbers, opened in (((), {}), ((3,), {"people": {3}}), ((3, 4), OPEN)):
        signed = people(*numbers)
        signer = RowSigner(KEY, open_formats=opened)
        row = signer.sign(signed, {**signed.before, **ROW})
        assert row["row_format"] == max(numbers, default=1)
        RowSigner(KEY).check(newest, filled(newest, row))


@pytest.mark.parametrize("change", [{"must_change": True}, {"limit": 5}, {"note": "x"}, {"must_change": None}])
def test_a_newer_column_that_somebody_set_under_an_older_format_is_a_forgery(change: dict[str, Any]) -> None:
    newest = people(3, 4)
    row = RowSigner(KEY).sign(people(), ROW)
    with pytest.raises(MacError):
        RowSigner(KEY).check(newest, filled(newest, row | change))


@pytest.mark.parametrize("number", [1, 3])
def test_a_row_that_claims_an_older_format_is_a_forgery_also_with_default_values(number: int) -> None:
    newest = people(3, 4)
    row = RowSigner(KEY, open_formats=OPEN).sign(newest, {**newest.before, **ROW})
    with pytest.raises(MacError):
        RowSigner(KEY).check(newest, newest.ordered(row | {"row_format": number}))


@pytest.mark.parametrize("number", [0, 2, 99, None, "3"])
def test_an_unknown_format_is_a_forgery_unless_a_newer_release_made_it(number: Any) -> None:
    signed, signer, asked = people(3), RowSigner(KEY), list[tuple[str, Any]]()
    row = signed.ordered({**signed.before, **signer.sign(signed, {**signed.before, **ROW}), "row_format": number})
    with pytest.raises(MacError):
        signer.check(signed, row)

    def made_by_a_newer_release(table: str, number: int) -> None:
        asked.append((table, number))
        raise NewerRowFormat()

    signer.on_unknown_format = made_by_a_newer_release
    with pytest.raises(NewerRowFormat):
        signer.check(signed, row)
    assert asked == [("people", number)]


def test_what_needs_a_format_that_is_not_open_is_not_signed() -> None:
    signed = people(3, 4)
    for opened, change, number in (({}, {"must_change": True}, 3), ({"people": {3}}, {"note": "x"}, 4)):
        with pytest.raises(FormatNotOpen) as caught:
            RowSigner(KEY, open_formats=opened).sign(signed, {**signed.before, **ROW, **change})
        assert caught.value.number == number


def test_an_older_release_keeps_the_format_and_the_values_that_it_does_not_know() -> None:
    newest, older = people(3, 4), people()
    row = RowSigner(KEY, open_formats=OPEN).sign(newest, {**newest.before, **ROW, "must_change": True})
    for number in (3, 4):
        for name in ADDED[number]:
            older.table.append_column(sa.Column(name, sa.String))
        older.append(number, ADDED[number])
    signer = RowSigner(KEY, open_formats=OPEN)
    signer.check(older, older.ordered(row))
    changed = signer.sign(older, row | {"role": "operator", "row_version": 2})
    assert (changed["row_format"], changed["must_change"]) == (4, True)
    RowSigner(KEY).check(newest, newest.ordered(changed))
    # A new row of its own is of a format in its own code.
    made = signer.sign(older, {**older.before, **ROW})
    assert made["row_format"] == 1
    RowSigner(KEY).check(newest, newest.ordered(made))


def test_formats_stand_in_one_order_and_name_columns_that_are_there() -> None:
    signed = people(3)
    for number, added in ((3, {"seen": 0}), (2, {"seen": 0}), (4, {}), (4, {"absent": 0}), (4, {"name": ""})):
        with pytest.raises(ValueError, match="Row format"):
            signed.append(number, added)
    assert signed.order == people(3).order


def test_the_memo_does_not_confuse_formats() -> None:
    newest, signer = people(3), RowSigner(KEY, open_formats=OPEN)
    row = signer.sign(newest, {**newest.before, **ROW})
    signer.check(newest, newest.ordered(row))
    with pytest.raises(MacError):
        signer.check(newest, newest.ordered(row | {"row_format": 1}))
