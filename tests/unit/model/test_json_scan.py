"""What a JSON text holds is counted before any object is made of it."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import BadJson, TooLarge
from vault.model.json_scan import DEPTH_MOST, check

ITEMS_MOST = 100

HOSTILE = {
    "empty lists": b'{"token":[' + b"[]," * 500_000 + b"[]]}",
    "empty objects": b'{"grants":[' + b"{}," * 500_000 + b"{}]}",
    "numbers": b"[" + b"1," * 500_000 + b"1]",
    "empty texts": b"[" + b'"",' * 500_000 + b'""]',
    "names": b"{" + b",".join(b'"%x":0' % number for number in range(100_000)) + b"}",
    "brackets without an end": b"[" * 1_000_000,
    "after an escaped quote": b'["\\"",' + b"[]," * 500_000 + b"[]]",
    "after an escaped backslash": b'["\\\\",' + b"[]," * 500_000 + b"[]]",
}
"""Bodies of which a parser would make 100,000 objects and more."""

HARMLESS = {
    "commas in a text": b'["' + b"," * 1_000_000 + b'"]',
    "brackets in a text": b'{"a":"' + b"[{" * 500_000 + b'"}',
    "brackets behind an escaped quote": b'["\\"' + b"[[" * 500_000 + b'\\\\"]',
    "many backslashes": b'["' + b"\\\\" * 500_000 + b'", 1, 2]',
    "no container": b'"' + b"x" * 1_000_000 + b'"',
    "nothing": b"",
}
"""As large, and of very few items."""


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_many_items_are_refused_without_an_object_for_each(body: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match=f"more than {ITEMS_MOST} JSON items"):
            check(body, ITEMS_MOST)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A few copies of the bytes, where half a million lists alone would take 28 MB more.
    assert peak_bytes < 4 * len(body)


@pytest.mark.parametrize("body", HARMLESS.values(), ids=HARMLESS)
def test_what_stands_in_a_text_is_no_item(body: bytes) -> None:
    check(body, ITEMS_MOST)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_the_deepest_is_taken_and_one_level_more_is_not(opening: bytes, closing: bytes) -> None:
    times = DEPTH_MOST // (opening.count(b"[") + opening.count(b"{"))
    deepest = opening * times + b"1" + closing * times
    # Many that are not deep stand before it, so that the depth is looked at.
    before = b"[]," * 200
    check(b"[" + before + deepest[len(opening) : -len(closing)] + b"]", 10_000)
    with pytest.raises(BadJson, match=f"more than {DEPTH_MOST} levels"):
        check(b"[" + before + deepest + b"]", 10_000)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(JSON, st.booleans())
def test_no_document_has_more_values_than_are_counted(document: Any, is_ascii: bool) -> None:
    body = json.dumps(document, ensure_ascii=is_ascii).encode(errors="surrogatepass")
    items = _items(document)
    # Each container may open without an item in it, and is counted for that too.
    check(body, items + _containers(document))
    if items > 1:
        with pytest.raises(TooLarge):
            check(body, items - 1)


def _items(document: Any) -> int:
    if not isinstance(document, list | dict):
        return 0
    inner = list(document.values()) if isinstance(document, dict) else document
    return len(inner) + sum(map(_items, inner))


def _containers(document: Any) -> int:
    if not isinstance(document, list | dict):
        return 0
    return 1 + sum(map(_containers, document.values() if isinstance(document, dict) else document))
