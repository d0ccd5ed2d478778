"""JSON from outside: strict as it is taken, and given back as it was written."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import BadJson, InvalidInput
from vault.model import strict_json
from vault.model.json_scan import DEPTH_MOST
from vault.model.strict_json import Number, WrittenJson, dumps, loads

ITEMS_MOST = 50_000


def parse_json(body: bytes) -> object:
    return strict_json.parse_json(body, ITEMS_MOST)


def parse_written(body: bytes) -> WrittenJson:
    return strict_json.parse_written(body, ITEMS_MOST)


@pytest.mark.parametrize(
    "text",
    ["1.0", "1e5", "1E+2", "-0", "-0.0", "0.10", "12345678901234567890123456789", "1e400", "1e-400", "0", "-7", "3.14"],
)
def test_a_number_is_written_as_it_was_read(text: str) -> None:
    assert dumps(parse_written(text.encode())) == text
    assert dumps(loads(dumps(parse_written(text.encode())))) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])) | st.floats(
            allow_nan=False, allow_infinity=False
        ),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
        max_leaves=20,
    )
)  # fmt: skip
def test_any_document_is_written_as_it_was_read(document: object) -> None:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    assert dumps(parse_written(text.encode())) == text


def test_text_that_looks_like_a_place_is_left_alone() -> None:
    document = parse_written(b'{"a":"0","b":1e5,"c":"\\ud83d\\ude000"}')
    assert dumps(document) == '{"a":"0","b":1e5,"c":"\U0001f6000"}'


def test_numbers_are_equal_where_they_are_written_alike() -> None:
    assert parse_written(b"[1e5]") == [Number("1e5")] != parse_written(b"[1E5]")


def test_what_is_no_json_cannot_be_written() -> None:
    with pytest.raises(TypeError):
        dumps({"a": object()})  # type: ignore[dict-item]  # what the test is about


@pytest.mark.parametrize(
    "body",
    [b"{", b"NaN", b"[Infinity]", b'{"a":1,"a":2}', b"\xff", b"[" * 10_000, b"1" * 5000, b"", b"01", b"'a'"],
)
def test_what_is_not_strictly_json_is_refused(body: bytes) -> None:
    for parse in (parse_json, parse_written):
        with pytest.raises(BadJson):
            parse(body)


@pytest.mark.parametrize("body", [b'"\\ud800"', b'{"\\udfff":1}', b'[["a\\udc00"]]'])
def test_half_a_surrogate_pair_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput, match="surrogate"):
        parse_written(body)


def test_what_nests_too_deep_is_refused() -> None:
    parse_written(b"[" * DEPTH_MOST + b"1" + b"]" * DEPTH_MOST)
    with pytest.raises(BadJson, match="deep"):
        parse_written(b"[" * (DEPTH_MOST + 1) + b"1" + b"]" * (DEPTH_MOST + 1))


@pytest.mark.parametrize("text", [r'"\ud83d\ude00"', r'"\\ud800"', r'"\\\\ud83d"', r'["\u00e9", "\uD83D\uDE00"]'])
def test_a_whole_pair_and_an_escaped_backslash_are_taken(text: str) -> None:
    assert parse_json(text.encode()) == json.loads(text) == parse_written(text.encode())


def test_a_long_name_over_many_items_takes_no_memory_for_each_of_them() -> None:
    # With a copy of the path for each item, this one took a gigabyte.
    body = json.dumps({"K" * 200_000: [1] * 20_000 + ["half"]}).encode().replace(b"half", b"\\ud800")
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInput, match="surrogate"):
            parse_json(body)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 30 * 1024 * 1024


def test_a_path_is_told_with_each_name_cut() -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_json(json.dumps({"K" * 1000: [1, {"inner": "\ud800"}]}).encode())
    assert refusal.value.path == f"{'K' * 256}.1.inner"
