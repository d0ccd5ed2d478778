"""Two hundred logins at once: memory stays bounded, reads go on, and a stop lets what is under way finish."""

from __future__ import annotations

import functools
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.faults.conftest import Caller, Load, Reply, Stack, running_stack
from tests.support.patience import HANG_SECONDS, eventually, in_time
from tests.support.vaults import PASSWORD

MIB = 1024 * 1024
HASH_MIB = 64
LOGIN_THREADS = 2


@pytest.fixture(scope="module")
def heavy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A server that hashes as it does by default: 64 MiB each, two at once in all workers together."""
    hashing = {
        "STRONGROOM_ARGON2_MEMORY_KIB": str(HASH_MIB * 1024),
        "STRONGROOM_ARGON2_PASSES": "3",
        "STRONGROOM_LOGIN_THREADS": str(LOGIN_THREADS),
    }
    with running_stack(tmp_path_factory.mktemp("heavy"), redis=False, people=5, **hashing) as made:
        yield made


def resident_mib(stack: Stack) -> float:
    """The memory of all workers together, what they share counted once for each."""
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in stack.workers()]
    return sum(pages) * 4096 / MIB


def test_two_hundred_logins_at_once_take_bounded_memory_and_reads_go_on(heavy: Stack) -> None:
    person = heavy.log_in()
    service = person.ok("POST", "/tokens", {"name": "t", "grants": [{"globals": True, "permissions": ["read"]}]})
    before_mib, peaks_mib, replies = resident_mib(heavy), [0.0], list[Reply]()
    going = threading.Event()

    def watch() -> None:
        while not going.wait(0.02):
            peaks_mib.append(resident_mib(heavy))

    def log_in(number: int) -> None:
        with Caller(heavy.server, timeout_seconds=HANG_SECONDS) as caller:
            body = {"username": f"ada-{number % 5}" if number % 5 else "ada", "password": PASSWORD}
            replies.append(caller("POST", "/sessions", body))

    watcher = threading.Thread(target=watch)
    watcher.start()
    readers = [heavy.caller(service["secret"]) for _ in range(2)]
    with Load([functools.partial(reader, "GET", "/globals/values") for reader in readers], 0.05) as load:
        threads = [threading.Thread(target=log_in, args=[number]) for number in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert eventually(lambda: len(load.replies) > 10)
    going.set()
    watcher.join()
    statuses = Counter(reply.status for reply in replies)
    assert set(statuses) <= {201, 429, 503}
    assert sum(statuses.values()) == 200
    assert statuses[201] > 0
    assert statuses[503] > 0, "All got their turn: this was no storm."
    assert all(int(reply.headers["retry-after"]) >= 1 for reply in replies if reply.status != 201)
    # Two hashes, and room for what 200 connections and their answers take; unbounded it would be 12 GiB.
    assert max(peaks_mib) < before_mib + LOGIN_THREADS * HASH_MIB + 120
    assert (load.statuses(), load.broken) == ({200}, [])
    # 200 TLS handshakes on the same processors come first; without a pool of their own reads would wait for 20 s.
    assert in_time(load.slowest_seconds, 5)


def test_a_stop_lets_logins_and_writes_under_way_finish(heavy: Stack) -> None:
    # The last test of this module: afterwards the server is gone.
    person = heavy.log_in()
    # No more than are hashed at once: on a busy machine others might wait for longer than a login may.
    callers = [heavy.caller() for _ in range(LOGIN_THREADS)]
    for caller in callers:
        caller.at("GET", "/livez")
    replies: list[Reply] = []

    def log_in(caller: Caller) -> None:
        replies.append(caller("POST", "/sessions", {"username": "ada", "password": PASSWORD}))

    def write() -> None:
        for number in range(5):
            reply = person("PATCH", "/globals/variables", {"variables": {"A": str(number)}})
            replies.append(reply)
            if reply.headers.get("connection") == "close":
                return

    threads = [threading.Thread(target=log_in, args=[caller]) for caller in callers] + [threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    heavy.server.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert {reply.status for reply in replies} <= {200, 201}
    assert len([reply for reply in replies if reply.status == 201]) == LOGIN_THREADS
    assert heavy.server.stop(signal.SIGTERM) == 0
