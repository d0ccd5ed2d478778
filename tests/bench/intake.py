"""Measures how long it takes to count and to parse the largest JSON bodies of the worst kinds, in this process."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable

from tests.bench.table import Line
from vault.errors import InvalidInput
from vault.model import json_scan, strict_json
from vault.model.budgets import BODY_MOST_BYTES, BUDGETS, RouteClass

_ITEMS = BUDGETS[RouteClass.TOKEN].json_items
_TRIES = 7
_ROOM = BODY_MOST_BYTES - 100


def _list_of(items: list[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"


_VARIABLE = {
    "value": "v" * 30, "type": "default", "enabled": True, "literal": False, "description": "a, b",
}  # fmt: skip

BODIES = {
    "a login": b'{"username":"ada","password":"lantern gravel ninefold otter"}',
    "9,800 variables": json.dumps({"variables": [{"name": f"N_{n}", **_VARIABLE} for n in range(9800)]}).encode(),
    "10,000 values": json.dumps({f"NAME_{n}": "v" * 80 for n in range(10_000)}).encode(),
    "too many lists": _list_of([b"[]"] * (_ROOM // 3)),
    "too many numbers": _list_of([b"1"] * (_ROOM // 2)),
    "lists of one": _list_of([b"[0]"] * (_ITEMS // 2 - 2)),
    "objects of one": _list_of([b'{"":0}'] * (_ITEMS // 2 - 2)),
    "objects of one, all names different": _list_of([b'{"%x":%d}' % (n, 1000 + n) for n in range(_ITEMS // 2 - 2)]),
    "numbers": _list_of([b"%d" % (1000 + n) for n in range(_ITEMS - 2)]),
    "numbers as written": _list_of([b"1.%d0" % n for n in range(_ITEMS - 2)]),
    "texts": _list_of([b'"%x"' % n for n in range(_ITEMS - 2)]),
    "100 levels": _list_of([b"[" * 97 + b"]" * 97] * (_ITEMS // 98)),
    "commas in a text": b'["' + b"," * _ROOM + b'"]',
    "escaped quotes": b'["' + b'\\",' * (_ROOM // 3) + b'"]',
    "one wide character": ('["' + "a" * _ROOM + '\U0001f600"]').encode(),
    "half a pair at the end": _list_of([*(b'{"%x":0}' % n for n in range(_ITEMS // 2 - 4)), b'"\\ud800"']),
}


def bodies() -> list[Line]:
    """Return a line for each body: its size, and the time to count and to parse it."""
    return [_line(name, body) for name, body in BODIES.items()]


def _line(name: str, body: bytes) -> Line:
    counted = _milliseconds(lambda: json_scan.check(body, _ITEMS))
    parsed = _milliseconds(lambda: strict_json.parse_written(body, _ITEMS))
    peak = _peak_megabytes(lambda: strict_json.parse_written(body, _ITEMS))
    figures = f"{len(body):,} bytes: counted in {counted:.3f} ms, all in {parsed:.1f} ms and {peak:.1f} MB"
    return Line(f"intake: {name}", "", figures)


def _milliseconds(call: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(_TRIES):
        started = time.thread_time()
        _tried(call)
        best = min(best, time.thread_time() - started)
    return best * 1000


def _peak_megabytes(call: Callable[[], object]) -> float:
    tracemalloc.start()
    try:
        _tried(call)
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def _tried(call: Callable[[], object]) -> None:
    try:
        call()
    except InvalidInput:
        # Some of the bodies are refused. Measure the time of that too.
        return
