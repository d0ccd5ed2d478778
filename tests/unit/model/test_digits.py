"""Numbers that callers write as text: ASCII digits, and few of them."""

from __future__ import annotations

import pytest

from vault.model.digits import whole_number

NO_NUMBERS = ["", "-1", "+1", "1.0", " 1", "1 ", "1_0", "0x10", "٣", "１２", "²", "1\n", "1" * 5000, "0" * 5000, "nan"]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_not_written_in_a_few_ascii_digits_is_no_number(text: str) -> None:
    assert whole_number(text, 2**63 - 1) is None


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("599", 599), ("600", None), ("0599", None)])
def test_a_number_has_at_most_the_digits_of_the_largest(text: str, number: int | None) -> None:
    assert whole_number(text, 599) == number
