"""What the worst body that a public route takes costs: CPU and memory, measured in this process.

CPU is the thread's own time, the least of several calls, so that others on the machine do not count; it is compared
with a loop that is timed beside it. Passwords are hashed in a lane of their own, with a budget of its own, so the
hash is left out here.
"""

from __future__ import annotations

import functools
import re
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Caller, Vault
from tests.api.test_budgets import PUBLIC_BYTES, PUBLIC_ROUTES
from vault.services.people import accounts

CPU_MOST_SECONDS = 0.020
"""On a machine on which `calibrated` takes 10 ms or less; on a slower one as much more as it takes longer."""
CALIBRATION_SECONDS = 0.010
MEMORY_MOST_BYTES = 5 * 1024 * 1024
TRIES = 3

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
PARTS = "multipart/form-data; boundary=x"


def filled(start: bytes, item: bytes, end: bytes) -> bytes:
    """As many items as fit into a public body."""
    room = PUBLIC_BYTES - len(start) - len(end)
    return start + item * (room // len(item)) + end


WORST = {
    "lists": (JSON, filled(b'{"token":[', b"[],", b"[]]}")),
    "objects": (JSON, filled(b'{"passkey":[', b'{"":{}},', b"{}]}")),
    "fewer than are refused": (JSON, b'{"passkey":[' + b'{"a":0},' * 120 + b'{}],"x":"' + b"y" * 15_000 + b'"}'),
    "deep": (JSON, b'{"password":' + b"[" * 8000 + b"]" * 8000 + b"}"),
    "numbers": (JSON, filled(b'{"token":[', b"9" * 4000 + b",", b"1]}")),
    "escapes": (JSON, filled(b'{"username":"', b"\\u0315", b'","password":"x","user":"x"}')),
    "half a pair": (JSON, filled(b'{"token":"', b"\\ud800", b'"}')),
    "combining": (JSON, filled(b'{"password":"x","username":"', "\u0315\u0300".encode(), b'"}')),
    "form fields": (FORM, filled(b"a=", b"&", b"")),
    "form of one": (FORM, filled(b"username=", b"%cc%95", b"&password=x")),
    "parts": (PARTS, filled(b"", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n', b"--x--")),
    "part heads": (PARTS, filled(b"--x\r\n", b"a: b\r\n", b"\r\n\r\n--x--")),
    "no end": (PARTS, filled(b"--x\r\n", b"\r\n-", b"")),
}
"""What has cost much somewhere: one kind of input each."""


def calibrated() -> float:
    """Seconds of CPU that a fixed loop takes here and now."""
    started = time.thread_time()
    total = 0
    for number in range(150_000):
        total += number
    return time.thread_time() - started


def cpu_seconds(call: Callable[[], Any]) -> float:
    """The least CPU of several calls, on a machine as fast as the calibration says."""
    slower = max(1.0, min(calibrated() for _ in range(TRIES)) / CALIBRATION_SECONDS)
    best = float("inf")
    for _ in range(TRIES):
        started = time.thread_time()
        call()
        best = min(best, time.thread_time() - started)
    return best / slower


def peak_bytes(call: Callable[[], Any]) -> int:
    """The most memory that Python has held at once for a call."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def nobody(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> Caller:
    """A stranger; passwords are not hashed."""
    monkeypatch.setattr(accounts, "verify_password", lambda _phc, _password: False)
    return vault.anyone()


# What is measured here is done before any row is looked for, so one kind of database is enough.
@pytest.mark.parametrize("vault", ["sqlite"], indirect=True)
@pytest.mark.parametrize("route", sorted(PUBLIC_ROUTES))
def test_the_worst_body_of_a_public_route_costs_little(nobody: Caller, route: str) -> None:
    method, rule = route.split(" ")
    path = re.sub(r"<[^>]*>", "x", rule)
    if method == "GET":
        # It reads no body; its query is the worst that the front door lets through.
        measure("query", lambda: called(nobody, method, path + "?" + "&".join(["activecode=" + "9" * 110] * 64)))
        return
    for name, (content_type, body) in WORST.items():
        assert len(body) <= PUBLIC_BYTES
        measure(name, functools.partial(called, nobody, method, path, raw=body, Content_Type=content_type))


def called(nobody: Caller, method: str, path: str, **more: Any) -> None:
    answer = nobody.at(method, path, **more)
    assert answer.status < 500 or answer.status == 503, answer


def measure(name: str, call: Callable[[], None]) -> None:
    # What is made once, at the first call, is no cost of a call.
    call()
    assert cpu_seconds(call) <= CPU_MOST_SECONDS, name
    assert peak_bytes(call) <= MEMORY_MOST_BYTES, name
