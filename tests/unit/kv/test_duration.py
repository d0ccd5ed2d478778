"""Durations as clients of several languages write them."""

from __future__ import annotations

from typing import Any

import pytest

from vault.errors import InvalidInput
from vault.kv.duration import SECONDS_MOST, seconds_of, text_of


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0), (90, 90), (10**30, SECONDS_MOST), ("", 0), ("0", 0), ("90", 90), ("+90", 90), ("-0", 0),
        ("90s", 90), ("1h30m", 5400), ("1h0m0s", 3600), ("2d", 172_800), ("-0h0m0s", 0), ("1.5h", 5400), (".5m", 30),
        ("1.s", 1), ("99999999999999h", SECONDS_MOST),
        # Spring Vault's, and what Go prints for parts of a second.
        ("3600s0ns", 3600), ("1s500000000ns", 2), ("500ms", 1), ("1ns", 1), ("1500µs", 1), ("1500μs", 1), ("2us", 1),
    ],
)  # fmt: skip
def test_reads(written: Any, seconds: int) -> None:
    assert seconds_of(written, "ttl") == seconds


@pytest.mark.parametrize("written", [-1, -(10**30), "-1", "-1h", "-1ns", "-0h0m0.5s", "-.5m"])
def test_a_negative_duration_is_refused_unless_it_may_be(written: Any) -> None:
    with pytest.raises(InvalidInput, match="A duration must not be negative"):
        seconds_of(written, "ttl")
    assert seconds_of(written, "ttl", may_be_negative=True) == 0


@pytest.mark.parametrize(
    "written",
    [
        None,
        True,
        1.5,
        [],
        "soon",
        "1x",
        "h",
        "1h 30m",
        "1.5",
        ".",
        ".s",
        "1..5h",
        "s1",
        "1h-30m",
        "1e3s",
        "٣s",
        "1" * 33,
    ],
)
def test_what_is_no_duration_is_refused(written: Any) -> None:
    with pytest.raises(InvalidInput, match="Write a duration"):
        seconds_of(written, "ttl")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (90, "1m30s"), (3600, "1h0m0s"), (90_061, "25h1m1s")]
)
def test_writes_as_go_does_and_reads_its_own(seconds: int, text: str) -> None:
    assert text_of(seconds) == text
    assert seconds_of(text, "ttl") == seconds
