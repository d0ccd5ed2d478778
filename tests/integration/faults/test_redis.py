"""Redis dies, hangs and comes back under load: sessions go on, nobody waits, and what is revoked is refused."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator

import pytest

from tests.integration.faults.conftest import Load, Stack
from tests.support.patience import eventually, in_time
from tests.support.servers import Redis

# No request waits longer than this for Redis.
_WAIT_SECONDS = 1.0


@pytest.fixture(autouse=True)
def redis(stack: Stack) -> Iterator[Redis]:
    """This server's Redis, which answers again afterwards."""
    assert stack.redis is not None
    stack.redis.ensure_running()
    yield stack.redis
    stack.redis.ensure_running()
    # A worker leaves a Redis that failed alone for two seconds.
    time.sleep(2.1)


def break_it(redis: Redis, how: str) -> None:
    getattr(redis, how)()


@pytest.mark.parametrize("how", ["kill", "hang"])
def test_reads_go_on_and_nobody_waits(stack: Stack, redis: Redis, how: str) -> None:
    callers = [stack.log_in() for _ in range(3)]
    with Load([functools.partial(caller, "GET", "/me") for caller in callers]) as calm:
        time.sleep(0.5)
    with Load([functools.partial(caller, "GET", "/me") for caller in callers]) as load:
        time.sleep(0.3)
        break_it(redis, how)
        time.sleep(2.7)
        redis.ensure_running()
        time.sleep(1.0)
        assert eventually(lambda: len(load.replies) > 100)
    assert (load.statuses(), load.broken) == ({200}, [])
    # What this machine does to a request without any fault is not Redis's.
    assert in_time(load.slowest_seconds, _WAIT_SECONDS + calm.slowest_seconds)


@pytest.mark.parametrize("how", ["kill", "hang"])
def test_logins_and_revocations_work_without_redis(stack: Stack, redis: Redis, how: str) -> None:
    person, other = stack.log_in(), stack.log_in()
    listed = person.ok("GET", "/sessions")["items"]
    assert other("GET", "/me").status == 200
    break_it(redis, how)
    fresh = stack.log_in()
    assert fresh("GET", "/me").status == 200
    (victim,) = [item["id"] for item in other.ok("GET", "/sessions")["items"] if item["current"]]
    assert victim in {item["id"] for item in listed}
    revoked = person("DELETE", f"/sessions/{victim}")
    assert revoked.status == 204
    assert in_time(revoked.seconds, _WAIT_SECONDS + 0.5)
    # Both workers are asked: each connection may lie with the one or the other.
    asked = [other, *(stack.caller(other.secret) for _ in range(6))]
    assert {caller("GET", "/me").status for caller in asked} == {401}


def test_a_session_revoked_while_redis_was_dead_stays_refused_when_it_is_back(stack: Stack, redis: Redis) -> None:
    person, other = stack.log_in(), stack.log_in()
    (victim,) = [item["id"] for item in other.ok("GET", "/sessions")["items"] if item["current"]]
    redis.kill()
    assert person("DELETE", f"/sessions/{victim}").status == 204
    redis.start()
    time.sleep(2.2)
    assert {stack.caller(other.secret)("GET", "/me").status for _ in range(6)} == {401}


def test_a_revoked_session_is_refused_at_once_by_every_worker(stack: Stack) -> None:
    person, other = stack.log_in(), stack.log_in()
    callers = [stack.caller(other.secret) for _ in range(6)]
    assert {caller("GET", "/me").status for caller in callers} == {200}
    (victim,) = [item["id"] for item in other.ok("GET", "/sessions")["items"] if item["current"]]
    assert person("DELETE", f"/sessions/{victim}").status == 204
    assert {caller("GET", "/me").status for caller in callers} == {401}


def test_a_token_is_refused_at_once_whatever_redis_does(stack: Stack, redis: Redis) -> None:
    person = stack.log_in()
    grant = {"globals": True, "permissions": ["read"]}
    made = person.ok("POST", "/tokens", {"name": "t", "grants": [grant]})
    callers = [stack.caller(made["secret"]) for _ in range(4)]
    redis.hang()
    assert {caller("GET", "/globals/values").status for caller in callers} == {200}
    person.ok("DELETE", f"/tokens/{made['id']}")
    assert {caller("GET", "/globals/values").status for caller in callers} == {401}


def test_nothing_in_redis_tells_a_secret(stack: Stack, redis: Redis) -> None:
    # No part of this name can stand in hexadecimal digits by chance.
    person = stack.log_in("ada-1")
    person.ok("GET", "/me")
    with redis.client() as client:
        keys = [bytes(key) for key in client.scan_iter()]
        contents = b"".join(keys + [bytes(client.get(key) or b"") for key in keys])
    assert keys
    assert not [word for word in (person.secret, person.secret[6:18], "ada-1") if word.encode() in contents]
