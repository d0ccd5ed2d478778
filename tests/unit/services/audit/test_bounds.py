"""No event grows with what a caller sends: names, layers, details, labels, addresses."""

from __future__ import annotations

import hashlib
import json
import uuid

import pytest

from vault.crypto import Key
from vault.model.json_types import JsonObject
from vault.services.audit.record import DETAILS_MOST, NAMES_MOST, bounded_details, clipped, digests, folded

KEY = Key(str(uuid.UUID(int=1)), bytes(32))


def test_a_name_that_stands_often_is_kept_once() -> None:
    assert len(digests(KEY, ["a"] * 4000)) == 1
    assert folded(["aa"] * 4000) == "aa"


@pytest.mark.parametrize("count", [NAMES_MOST + 1, 4000, 10_000])
def test_many_names_are_folded_into_a_count_and_a_digest_of_all(count: int) -> None:
    all_of_them = digests(KEY, [f"name{number}" for number in range(count)])
    *kept, rest = folded(all_of_them).split(" ")
    assert kept == all_of_them[:NAMES_MOST]
    whole = hashlib.sha256(" ".join(sorted(all_of_them)).encode()).hexdigest()
    assert rest == f"+{count}:{whole}"
    # Whoever knows the names can tell that they are meant, in whatever order they were asked for.
    assert folded(reversed(all_of_them)).split(" ")[-1] == rest


def test_as_many_names_as_are_kept_are_not_folded() -> None:
    found = [f"{number:024x}" for number in range(NAMES_MOST)]
    assert folded(found) == " ".join(found)


@pytest.mark.parametrize(
    "details",
    [
        {"call": "x" * 100_000, "count": 3},
        {"count": 3, **{f"k{number}": "v" * 50 for number in range(1000)}},
        {"count": 3, "layers": [["0" * 36, 1]] * 5000},
    ],
)
def test_details_past_their_bound_say_so_and_keep_what_fits(details: JsonObject) -> None:
    text = bounded_details(details)
    assert len(text) <= DETAILS_MOST
    told = json.loads(text)
    whole = json.dumps(details, separators=(",", ":"))
    assert (told["cut"], told["sha256"]) == (len(whole), hashlib.sha256(whole.encode()).hexdigest())
    assert told["count"] == 3


def test_short_details_are_kept_as_they_are() -> None:
    assert bounded_details({"a": [1, 2]}) == '{"a":[1,2]}'
    assert bounded_details({}) == ""


@pytest.mark.parametrize(("text", "kept"), [("a" * 70, "a" * 64), ("a\0b", "ab"), ("ab", "ab")])
def test_a_text_fits_its_column(text: str, kept: str) -> None:
    assert clipped(text, 64) == kept
