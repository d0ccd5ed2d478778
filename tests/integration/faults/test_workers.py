"""Workers die in the middle of writes, many write at once, and signals come under load."""

from __future__ import annotations

import functools
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.conftest import FreshDatabase, Kind
from tests.integration.faults.conftest import (
    QUICK_HASHES,
    Caller,
    Load,
    Reply,
    Stack,
    add_people,
    running_stack,
)
from tests.integration.faults.dying import MOMENTS
from tests.support.patience import HANG_SECONDS, eventually
from tests.support.serving import RunningServer
from tests.support.vaults import PASSWORD

WRITES = 15


def together(*work: Callable[[], None]) -> None:
    """Run all at once; what one of them raises fails the test."""
    errors: list[BaseException] = []

    def guarded(one: Callable[[], None]) -> None:
        try:
            one()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=[one]) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class Writer(ABC):
    """Writes to an environment of its own, with a key for each write, until all are answered."""

    verb: ClassVar[str]

    def __init__(self, stack: Stack, person: Caller) -> None:
        self.told: list[int] = []
        self.names: list[str] = []
        self._stack, self._person = stack, person
        start = [{"name": "A", "value": "0"}]
        made = person.ok("POST", "/environments", {"name": f"killed-{self.verb}", "variables": start})
        self.path = f"/environments/{made['id']}"

    def __call__(self) -> None:
        with self._stack.caller(self._person.secret) as caller:
            for number in range(WRITES):
                reply = self.write(caller, number)
                assert reply.status == 200, reply
                self.told.append(reply.json["revision"])

    @abstractmethod
    def write(self, caller: Caller, number: int) -> Reply:
        """One write, and its answer."""

    @abstractmethod
    def size(self, revision: int) -> int:
        """How many variables a revision holds."""


class Poster(Writer):
    verb = "post"

    def write(self, caller: Caller, number: int) -> Reply:
        # Without the key a second try would find the name taken.
        made = caller.insist("POST", "/environments", {"name": f"made-{number}"})
        assert made.status == 201, made
        self.names.append(made.json["name"])
        return caller.insist("POST", f"{self.path}/rollback", {"revision": 1})

    def size(self, revision: int) -> int:
        return 1


class Putter(Writer):
    verb = "put"

    def write(self, caller: Caller, number: int) -> Reply:
        etag = _read_etag(caller, f"{self.path}/variables")
        body = {"variables": [{"name": "A", "value": str(number)}, {"name": "B", "value": "x" * 5000}]}
        # Without the key a second try would find its own revision there, and fail with 412.
        return caller.insist("PUT", f"{self.path}/variables", body, If_Match=etag)

    def size(self, revision: int) -> int:
        return min(revision, 2)


class Patcher(Writer):
    verb = "patch"

    def write(self, caller: Caller, number: int) -> Reply:
        return caller.insist("PATCH", f"{self.path}/variables", {"variables": {f"V{number}": "x" * 5000}})

    def size(self, revision: int) -> int:
        return revision


def test_a_worker_killed_in_the_middle_of_writes_leaves_each_of_them_done_once(stack: Stack) -> None:
    person = stack.log_in()
    writers = [kind(stack, person) for kind in (Poster, Putter, Patcher)]
    killed: list[int] = []

    def kill() -> None:
        assert eventually(lambda: all(len(writer.told) >= 3 for writer in writers))
        for _ in range(2):
            killed.append(stack.workers()[0])
            os.kill(killed[-1], signal.SIGKILL)
            time.sleep(0.4)

    together(*writers, kill)
    assert len(set(killed)) == 2
    assert eventually(lambda: len(stack.workers()) == 2)
    reader = stack.caller(person.secret)
    assert sorted(writers[0].names) == sorted(f"made-{number}" for number in range(WRITES))
    for writer in writers:
        assert writer.told == list(range(2, WRITES + 2)), writer.verb
        numbers = [item["number"] for item in reader.ok("GET", f"{writer.path}/revisions")["items"]]
        assert numbers == list(range(WRITES + 1, 0, -1))
        # No half revision: each opens, and holds all that its write named.
        sizes = [len(reader.ok("GET", f"{writer.path}/revisions/{number}")["variables"]) for number in numbers]
        assert sizes == [writer.size(number) for number in numbers]


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A server whose workers die when they are told to."""
    factory = "tests.integration.faults.dying:create_app"
    with running_stack(tmp_path_factory.mktemp("mortal"), redis=False, factory=factory) as made:
        yield made


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_write_whose_worker_dies_at_its_commit_happens_once(mortal: Stack, verb: str, moment: str) -> None:
    person = mortal.log_in()
    start = [{"name": "A", "value": "0"}, {"name": "B", "value": "0"}]
    path = f"/environments/{person.ok('POST', '/environments', {'name': f'{verb}-{moment}', 'variables': start})['id']}"
    etag = person("GET", f"{path}/variables").headers["etag"]
    (mortal.server.data_dir / moment).touch()
    if verb == "POST":
        reply = person.insist("POST", f"{path}/rollback", {"revision": 1})
    elif verb == "PUT":
        reply = person.insist("PUT", f"{path}/variables", {"variables": []}, If_Match=etag)
    elif verb == "PATCH":
        reply = person.insist("PATCH", f"{path}/variables", {"variables": {"A": "1", "B": "1"}})
    else:
        reply = person.insist("DELETE", f"{path}/variables/A")
    assert not (mortal.server.data_dir / moment).exists(), "Nobody has died."
    assert (reply.status, reply.json) == (200, {"revision": 2})
    # What was committed is told again; what was not is done now.
    assert ("idempotency-replayed" in reply.headers) == (moment == "die-after-commit")
    numbers = [item["number"] for item in person.ok("GET", f"{path}/revisions")["items"]]
    assert numbers == [2, 1]
    assert eventually(lambda: len(mortal.workers()) == 2)


def _read_etag(caller: Caller, path: str) -> str:
    found: list[str] = []

    def read() -> bool:
        try:
            reply = caller("GET", path)
        except Exception:
            return False
        found.append(reply.headers.get("etag", ""))
        return reply.status == 200

    assert eventually(read)
    return found[-1]


@pytest.fixture(params=["sqlite", "postgresql"])
def two_workers(
    request: pytest.FixtureRequest, fresh_database: FreshDatabase, tmp_path: Path
) -> Iterator[RunningServer]:
    """A server with two workers on each kind of database."""
    kind: Kind = request.param
    environ = {
        "STRONGROOM_DATA_DIR": str(tmp_path / "data"),
        "STRONGROOM_KEYRING": str(tmp_path / "keys" / "master.json"),
        "STRONGROOM_DATABASE_URL": fresh_database(kind),
        "STRONGROOM_WORKERS": "2",
        **QUICK_HASHES,
    }
    add_people(environ, 1)
    with RunningServer(tmp_path, environ) as server:
        yield server


def test_fifty_who_patch_at_once_all_find_their_change_there(two_workers: RunningServer) -> None:
    with Caller(two_workers) as person:
        login = person.ok("POST", "/sessions", {"username": "ada", "password": PASSWORD})
        person.secret = login["secret"]
        person.ok("POST", "/environments", {"name": "prod", "variables": [{"name": "A", "value": "0"}]})
        start = threading.Barrier(50)
        told: list[int] = []

        def patch(number: int) -> None:
            with Caller(two_workers, person.secret, timeout_seconds=HANG_SECONDS) as caller:
                caller("GET", "/me")
                start.wait()
                body = {"variables": {f"V{number}": str(number)}}
                reply = caller.insist("PATCH", "/environments/prod/variables", body, within_seconds=60)
                assert reply.status == 200, reply
                told.append(reply.json["revision"])

        together(*(functools.partial(patch, number) for number in range(50)))
        assert sorted(told) == list(range(2, 52))
        held = person.ok("GET", "/environments/prod/values")["values"]
        assert held == {"A": "0"} | {f"V{number}": str(number) for number in range(50)}
        numbers = [item["number"] for item in person.ok("GET", "/environments/prod/revisions?limit=200")["items"]]
        assert numbers == list(range(51, 0, -1))


def test_reloads_under_traffic_fail_no_request(stack: Stack) -> None:
    person = stack.log_in()
    before = set(stack.workers())
    reader, writer = stack.caller(person.secret), stack.caller(person.secret)
    number = iter(range(10**6))

    def write() -> Any:
        return writer("PATCH", "/globals/variables", {"variables": {"A": str(next(number))}})

    with Load([functools.partial(reader, "GET", "/globals/values"), write]) as load:
        for _ in range(2):
            stack.server.send_signal(signal.SIGHUP)
            time.sleep(1.0)
        assert eventually(lambda: not before & set(stack.workers()))
        assert eventually(lambda: len(load.replies) > 50)
    assert (load.statuses(), load.broken) == ({200}, [])
