"""PostgreSQL dies and comes back: 503 meanwhile, no restart afterwards, and every write is there once."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterator

import pytest

from tests.integration.faults.conftest import Load, Stack
from tests.support.patience import eventually, in_time
from tests.support.servers import Postgres


@pytest.fixture(autouse=True)
def postgres(stack: Stack) -> Iterator[Postgres]:
    """This server's PostgreSQL, which answers again afterwards."""
    yield stack.postgres
    stack.postgres.ensure_running()


def test_while_it_is_gone_everything_answers_503_and_says_when_to_come_back(stack: Stack, postgres: Postgres) -> None:
    person = stack.log_in()
    service = person.ok("POST", "/tokens", {"name": "t", "grants": [{"globals": True, "permissions": ["read"]}]})
    workers = stack.workers()
    postgres.kill()
    calls = [
        ("GET", "/globals/values", None, service["secret"]),
        ("GET", "/environments", None, person.secret),
        ("PATCH", "/globals/variables", {"variables": {"A": "1"}}, person.secret),
        ("POST", "/sessions", {"username": "ada", "password": "x"}, ""),
    ]
    for method, path, body, secret in calls:
        reply = stack.caller(secret)(method, path, body)
        assert (reply.status, reply.json["code"]) == (503, "database_unavailable"), (method, path, reply)
        assert int(reply.headers["retry-after"]) >= 1
        assert in_time(reply.seconds, 10)
    assert person.at("GET", "/livez").status == 200
    assert eventually(lambda: {person.at("GET", "/readyz").status for _ in range(6)} == {503})
    assert person.at("GET", "/livez").status == 200
    postgres.start()
    assert eventually(lambda: stack.caller().at("GET", "/readyz").status == 200)
    assert eventually(lambda: {stack.caller(person.secret)("GET", "/me").status for _ in range(8)} == {200})
    assert stack.workers() == workers
    # Once they work they go on working: no dead connection is left in a pool.
    fresh = [stack.caller(service["secret"]) for _ in range(8)]
    assert {caller("GET", "/globals/values").status for caller in fresh for _ in range(5)} == {200}
    assert person("PATCH", "/globals/variables", {"variables": {"A": "1"}}).status == 200


def test_a_reader_sees_only_answers_and_503(stack: Stack, postgres: Postgres) -> None:
    person = stack.log_in()
    callers = [stack.caller(person.secret) for _ in range(3)]
    with Load([functools.partial(caller, "GET", "/globals/values") for caller in callers]) as load:
        time.sleep(0.2)
        postgres.kill()
        time.sleep(0.5)
        postgres.start()
        assert eventually(lambda: [reply.status for reply in load.replies[-20:]] == [200] * 20)
    assert (load.statuses(), load.broken) == ({200, 503}, [])
    assert all("retry-after" in reply.headers for reply in load.replies if reply.status == 503)


def test_writes_that_were_cut_off_happen_once(stack: Stack, postgres: Postgres) -> None:
    person = stack.log_in()
    made = person.ok("POST", "/environments", {"name": "cut-off", "variables": [{"name": "A", "value": "0"}]})
    path = f"/environments/{made['id']}"
    revisions: list[int] = []

    def write() -> None:
        with stack.caller(person.secret) as caller:
            for _ in range(12):
                reply = caller.insist("POST", f"{path}/rollback", {"revision": 1})
                assert reply.status == 200, reply
                revisions.append(reply.json["revision"])

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.15)
    postgres.kill()
    postgres.start()
    for thread in threads:
        thread.join()
    assert sorted(revisions) == list(range(2, 38))
    assert person.ok("GET", path)["revision"] == 37
