"""Everything dies again and again under load: in the end each write is there once, and no memory has grown.

`make soak`; SOAK_SECONDS (120 by default) is how long each test goes on.
"""

from __future__ import annotations

import functools
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.faults.conftest import Caller, Load, Stack, running_stack
from tests.support.patience import eventually

pytestmark = pytest.mark.timeout(900)

# Chaos must be the same each time that it finds something.
_SEED = 20261122


class Faults:
    """One fault after the other, each mended, until told to stop."""

    def __init__(self, stack: Stack, pause_seconds: float) -> None:
        self.counts: dict[str, int] = {}
        self._stack = stack
        self._random = random.Random(_SEED)
        self._pause_seconds = pause_seconds
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Faults:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ends.set()
        self._thread.join()
        self._stack.postgres.ensure_running()
        assert self._stack.redis is not None
        self._stack.redis.ensure_running()

    def _run(self) -> None:
        faults: list[Callable[[], None]] = [self.worker, self.reload, self.redis_dies, self.redis_hangs, self.postgres]
        while not self._ends.wait(self._pause_seconds):
            fault = self._random.choice(faults)
            fault()
            self.counts[fault.__name__] = self.counts.get(fault.__name__, 0) + 1

    def worker(self) -> None:
        """`kill -9` of one worker."""
        workers = self._stack.workers()
        if len(workers) == 2:
            os.kill(self._random.choice(workers), signal.SIGKILL)

    def reload(self) -> None:
        """SIGHUP."""
        self._stack.server.send_signal(signal.SIGHUP)

    def redis_dies(self) -> None:
        """Redis dies, and comes back empty."""
        assert self._stack.redis is not None
        self._stack.redis.kill()
        self._ends.wait(0.5)
        self._stack.redis.start()

    def redis_hangs(self) -> None:
        """Redis hangs for a second."""
        assert self._stack.redis is not None
        self._stack.redis.hang()
        self._ends.wait(1.0)
        self._stack.redis.resume()

    def postgres(self) -> None:
        """PostgreSQL crashes and recovers."""
        self._stack.postgres.kill()
        self._ends.wait(0.3)
        self._stack.postgres.start()


def writer(stack: Stack, secret: str, path: str, ends: threading.Event, told: list[int]) -> None:
    """Roll back again and again, each with a key, until each is answered."""
    with Caller(stack.server, secret) as caller:
        while not ends.is_set():
            reply = caller.insist("POST", f"{path}/rollback", {"revision": 1}, within_seconds=60)
            assert reply.status == 200, reply
            told.append(reply.json["revision"])


def test_under_every_fault_each_write_is_there_once(tmp_path: Path, soak_seconds: float) -> None:
    with running_stack(tmp_path, STRONGROOM_QUOTA_BYTES=str(2**40)) as stack:
        person = stack.log_in()
        variables = [{"name": "A", "value": "x" * 2000}]
        body = {"name": "soaked", "variables": variables, "max_versions": 1000}
        path = f"/environments/{person.ok('POST', '/environments', body)['id']}"
        ends, told = threading.Event(), list[int]()
        threads = [
            threading.Thread(target=writer, args=[stack, person.secret, path, ends, told], daemon=True)
            for _ in range(3)
        ]
        with Faults(stack, pause_seconds=2.0) as faults:
            for thread in threads:
                thread.start()
            # Revision 1 must stay: it is what is rolled back to.
            end = time.monotonic() + soak_seconds
            while time.monotonic() < end and len(told) < 950:
                time.sleep(0.2)
            ends.set()
            for thread in threads:
                thread.join(90)
        assert faults.counts
        assert sorted(told) == list(range(2, len(told) + 2)), faults.counts
        reader = stack.caller(person.secret)
        assert eventually(lambda: reader("GET", path).status == 200)
        assert reader.ok("GET", path)["revision"] == len(told) + 1
        assert eventually(lambda: len(stack.workers()) == 2)


def test_memory_does_not_grow_with_requests(tmp_path: Path, soak_seconds: float) -> None:
    with running_stack(tmp_path) as stack:
        person = stack.log_in()
        person.ok("POST", "/environments", {"name": "prod", "variables": [{"name": "A", "value": "x" * 2000}]})
        callers = [stack.caller(person.secret) for _ in range(3)]
        read = [functools.partial(caller, "GET", "/environments/prod/values") for caller in callers[:2]]
        numbers = iter(range(10**9))

        def write() -> object:
            body = {"variables": {"A": str(next(numbers))}}
            return callers[2]("PATCH", "/environments/prod/variables", body)

        def resident_mib() -> float:
            return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in stack.workers()) / 256

        with Load([*read, write], 0.0) as load:  # type: ignore[list-item]  # calls with several types of answers
            time.sleep(soak_seconds / 4)
            warm_mib, warm_answers = resident_mib(), len(load.replies)
            time.sleep(soak_seconds * 3 / 4)
            grown_mib = resident_mib() - warm_mib
        assert (load.statuses(), load.broken) == ({200}, [])
        assert len(load.replies) > warm_answers * 2
        assert grown_mib < 30


def test_a_session_revoked_while_redis_hung_lives_five_seconds_at_most(tmp_path: Path) -> None:
    with running_stack(tmp_path) as stack:
        assert stack.redis is not None
        person, other = stack.log_in(), stack.log_in()
        (victim,) = [item["id"] for item in other.ok("GET", "/sessions")["items"] if item["current"]]
        stack.redis.hang()
        person.ok("DELETE", f"/sessions/{victim}")
        stack.redis.resume()
        # Its copy in Redis may still be believed, and no longer than this.
        time.sleep(5.5)
        assert {stack.caller(other.secret)("GET", "/me").status for _ in range(8)} == {401}


def test_clients_that_leave_in_the_middle_hold_nothing(tmp_path: Path, soak_seconds: float) -> None:
    with running_stack(tmp_path, STRONGROOM_BODY_TIMEOUT_SECONDS="2") as stack:
        person = stack.log_in()
        ends = time.monotonic() + soak_seconds / 2
        while time.monotonic() < ends:
            connection = stack.server.connect()
            connection.putrequest("PATCH", "/api/v1/globals/variables")
            connection.putheader("Authorization", f"Bearer {person.secret}")
            connection.putheader("Content-Length", "100000")
            connection.endheaders()
            connection.send(b'{"variables": {"A": "')
            connection.close()
        for _ in range(20):
            reply = stack.caller(person.secret)("GET", "/globals/variables")
            assert (reply.status, reply.json["variables"]) == (200, [])
