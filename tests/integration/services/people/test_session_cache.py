"""Sessions with Redis before the database: it makes nobody, keeps nobody, and is not waited for."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from tests.integration.storage.spy import statements
from tests.support.bases import stand
from tests.support.factors import API, add_totp, with_code
from tests.support.fake_redis import Answering, Dripping
from tests.support.patience import HANG_SECONDS, eventually, in_time
from tests.support.servers import Redis
from tests.support.vaults import (
    HOST,
    PASSWORD,
    FakeClock,
    add_environment,
    as_session,
    change_password,
    log_in,
    values,
    write,
)
from vault.app import open_vault
from vault.errors import NotAuthenticated
from vault.model.principal import Duty, Principal, Role
from vault.services import Services
from vault.services.people.sessions import NewSession
from vault.storage.session_cache import RedisCache


@pytest.fixture
def vault(copied_vault: Callable[[Any], Any], redis_url: str, clock: FakeClock) -> Iterator[Services]:
    """On SQLite alone: what is looked at here is Redis."""
    made = open_vault(replace(copied_vault("sqlite"), redis_url=redis_url), clock)
    yield made
    made.close()


@pytest.fixture
def redis(redis_server: Redis) -> Iterator[redis_py.Redis]:
    with redis_server.client() as client:
        yield client


def entries(redis: redis_py.Redis) -> dict[bytes, bytes]:
    return {key: redis.get(key) for key in redis.scan_iter()}  # type: ignore[misc] # Async stubs.


def filled(vault: Services, redis: redis_py.Redis, name: str = "ada") -> tuple[NewSession, bytes]:
    """A session with its copy in Redis, and the key of that copy."""
    before = set(entries(redis))
    session = log_in(vault, name)
    as_session(vault, session.secret)
    [key] = set(entries(redis)) - before
    return session, key


def reads(vault: Services, secret: str) -> int:
    """How many statements the database was asked."""
    with statements(vault) as seen:
        as_session(vault, secret)
    return len(seen)


def revoke(vault: Services, principal: Principal, session: NewSession) -> None:
    write(vault, lambda unit: vault.people.sessions.revoke(unit, principal, session.session.id))


def test_the_second_use_asks_no_database(vault: Services, redis: redis_py.Redis) -> None:
    session = log_in(vault, "ada")
    assert reads(vault, session.secret) == 1
    assert reads(vault, session.secret) == 0


def test_with_a_copy_the_values_take_two_statements_at_most(vault: Services, redis: redis_py.Redis) -> None:
    """The copy has no number of the newest change, so the worker may not know that bases were set."""
    vault.keys.upgrading.open(HOST)
    session, _ = filled(vault, redis)
    ada = as_session(vault, session.secret)
    add_environment(vault, ada, "common", A="common", B="common")
    add_environment(vault, ada, "prod", A="prod")
    alone, both = {"A": "prod"}, {"A": "prod", "B": "common"}

    def read() -> tuple[int, dict[str, str]]:
        with statements(vault) as seen:
            found = values(vault, as_session(vault, session.secret), "prod")
        return len(seen), dict(found)

    assert [read(), read()] == [(1, alone), (1, alone)]
    stand(vault, ada, "prod", "common")
    assert [read(), read(), read()] == [(2, both), (1, both), (1, both)]
    stand(vault, ada, "prod")
    assert [read(), read()] == [(1, alone), (1, alone)]


def test_a_copy_tells_nothing_of_its_session(vault: Services, redis: redis_py.Redis) -> None:
    session, key = filled(vault, redis)
    entry = entries(redis)[key]
    for told in (session.session.id, session.secret, session.user.id):
        assert told.encode() not in key + entry
    # The key is a digest in hexadecimal, which may have these letters by chance.
    assert b"ada" not in entry
    assert 0 < redis.ttl(key) <= 5


def test_a_copy_older_than_five_seconds_is_a_miss(vault: Services, redis: redis_py.Redis, clock: FakeClock) -> None:
    session, key = filled(vault, redis)
    redis.persist(key)
    clock.advance(5)
    assert reads(vault, session.secret) == 0
    clock.advance(1)
    assert reads(vault, session.secret) == 1


def test_a_copy_from_the_future_is_a_miss(vault: Services, redis: redis_py.Redis, clock: FakeClock) -> None:
    clock.advance(60)
    session, _ = filled(vault, redis)
    clock.advance(-60)
    assert reads(vault, session.secret) == 1


@pytest.mark.parametrize("forged", [b"", b"x", b"SRM" + bytes(200), b'{"filled_us":0}', b"revoked"])
def test_what_somebody_writes_into_redis_is_a_miss_and_no_more(
    vault: Services, redis: redis_py.Redis, forged: bytes
) -> None:
    session, key = filled(vault, redis)
    redis.set(key, forged)
    assert reads(vault, session.secret) == 1


def test_a_copy_of_another_session_makes_nobody(vault: Services, redis: redis_py.Redis, ada: Principal) -> None:
    session, key = filled(vault, redis)
    _, bobs_key = filled(vault, redis, "bob")
    redis.set(key, entries(redis)[bobs_key])
    assert as_session(vault, session.secret).user_id == ada.user_id
    revoke(vault, ada, session)
    redis.set(key, entries(redis)[bobs_key])
    with pytest.raises(NotAuthenticated):
        as_session(vault, session.secret)


def test_a_flipped_byte_makes_nobody(vault: Services, redis: redis_py.Redis) -> None:
    session, key = filled(vault, redis)
    whole = entries(redis)[key]
    for position in range(0, len(whole), 7):
        redis.set(key, whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        as_session(vault, session.secret)


def test_a_tombstone_lies_over_the_copy_and_beats_a_late_fill(
    vault: Services, redis: redis_py.Redis, ada: Principal
) -> None:
    session, key = filled(vault, redis)
    found = vault.people.sessions._hot.session(session.session.id)
    assert found is not None
    revoke(vault, ada, session)
    # A reader that had asked the database before the revocation fills only now.
    vault.people.sessions._fill(found.session, found.user, vault.clock())
    assert entries(redis)[key] == b"revoked"
    assert redis.ttl(key) > 60
    with pytest.raises(NotAuthenticated):
        as_session(vault, session.secret)


def test_what_fails_to_be_revoked_gets_no_tombstone(vault: Services, redis: redis_py.Redis, ada: Principal) -> None:
    session, key = filled(vault, redis)

    def fail() -> None:
        with vault.storage.write() as unit:
            vault.people.sessions.revoke(unit, ada, session.session.id)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert entries(redis)[key] != b"revoked"
    as_session(vault, session.secret)


def test_many_sessions_are_buried_at_once(vault: Services, redis: redis_py.Redis, ada: Principal) -> None:
    made = [filled(vault, redis) for _ in range(10)]
    write(vault, lambda unit: vault.people.ending.own(unit, ada))
    assert {entries(redis)[key] for _, key in made} == {b"revoked"}


def test_a_closed_vault_leaves_no_connection_to_redis(
    copied_vault: Callable[[Any], Any], redis_url: str, redis: redis_py.Redis, clock: FakeClock
) -> None:
    before = len(redis.client_list())
    made = open_vault(replace(copied_vault("sqlite"), redis_url=redis_url), clock)
    as_session(made, log_in(made, "ada").secret)
    assert len(redis.client_list()) > before
    made.close()
    assert eventually(lambda: len(redis.client_list()) == before, 10)


def timed(call: Callable[[], object]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started


@pytest.mark.parametrize("fault", ["kill", "hang"])
def test_without_redis_the_database_answers_and_nobody_waits_a_second(
    vault: Services, redis_server: Redis, ada: Principal, fault: str
) -> None:
    sessions = [log_in(vault, "ada") for _ in range(20)]
    as_session(vault, sessions[0].secret)
    getattr(redis_server, fault)()
    try:
        for session in sessions[:5]:
            assert in_time(timed(partial(as_session, vault, session.secret)), 1)
        assert in_time(timed(lambda: revoke(vault, ada, sessions[0])), 1)
        with pytest.raises(NotAuthenticated):
            as_session(vault, sessions[0].secret)
        # All of a person's sessions together are waited for once.
        assert in_time(timed(lambda: write(vault, lambda unit: vault.people.ending.own(unit, ada))), 1)
        for session in sessions:
            with pytest.raises(NotAuthenticated):
                as_session(vault, session.secret)
    finally:
        redis_server.ensure_running()


@pytest.mark.parametrize(
    ("command", "call"),
    [
        (b"GET", lambda cache: cache.get("key")),
        (b"SET", lambda cache: cache.fill("key", b"copy")),
        (b"revoked", lambda cache: cache.bury(["key", "other"])),
        (b"CLIENT", lambda cache: cache.get("key")),
    ],
    ids=["get", "fill", "bury", "connect"],
)
def test_an_answer_that_comes_in_small_pieces_is_not_waited_for(
    command: bytes, call: Callable[[RedisCache], object]
) -> None:
    with Dripping(command) as server:
        cache = RedisCache(server.url)
        assert call(cache) is None
        assert cache.rests
        cache.close()
        # The server would go on for 20 seconds.
        assert server.ended.wait(HANG_SECONDS)
        assert server.was_given_up


def used_again(vault: Services, session: NewSession) -> bool:
    """Use a session with Redis, although Redis has just failed."""
    vault.people.sessions._cache._rests_until = 0.0  # type: ignore[attr-defined] # The protocol does not tell of it.
    try:
        as_session(vault, session.secret)
    except NotAuthenticated:
        return False
    return True


def test_a_session_revoked_while_redis_hung_lives_five_seconds_at_most(
    vault: Services, redis: redis_py.Redis, redis_server: Redis, ada: Principal, clock: FakeClock
) -> None:
    session, key = filled(vault, redis)
    copy = entries(redis)[key]
    redis_server.hang()
    revoke(vault, ada, session)
    redis_server.resume()
    # A Redis that resumes carries out what it was sent, but one that was cut off never got it.
    redis.set(key, copy)
    clock.advance(5.1)
    assert [used_again(vault, session) for _ in range(2)] == [False, False]


def test_a_session_revoked_while_redis_was_full_lives_five_seconds_at_most(
    vault: Services, redis: redis_py.Redis, ada: Principal, clock: FakeClock
) -> None:
    session, key = filled(vault, redis)
    redis.persist(key)
    redis.config_set("maxmemory", 1)
    try:
        revoke(vault, ada, session)
        assert entries(redis)[key] != b"revoked"
    finally:
        redis.config_set("maxmemory", "64mb")
    clock.advance(5.1)
    assert [used_again(vault, session) for _ in range(2)] == [False, False]


def test_a_copy_is_as_old_as_its_question_to_the_database(
    vault: Services, redis: redis_py.Redis, ada: Principal, clock: FakeClock
) -> None:
    session = log_in(vault, "ada")
    asked_us = clock()
    found = vault.people.sessions._hot.session(session.session.id)
    assert found is not None
    revoke(vault, ada, session)
    redis.flushall()
    # A slow worker fills what it was answered before the revocation.
    clock.advance(4)
    vault.people.sessions._fill(found.session, found.user, asked_us)
    clock.advance(1.1)
    assert not used_again(vault, session)


def test_redis_is_used_again_after_it_came_back(vault: Services, redis_server: Redis) -> None:
    session = log_in(vault, "ada")
    redis_server.kill()
    as_session(vault, session.secret)
    redis_server.start()
    # It is left alone for two seconds after a failure.
    vault.people.sessions._cache._rests_until = 0.0  # type: ignore[attr-defined] # The protocol does not tell of it.
    as_session(vault, session.secret)
    assert reads(vault, session.secret) == 0


def test_a_duty_that_is_done_is_not_asked_for_from_an_old_copy(vault: Services, redis: redis_py.Redis) -> None:
    accounts = vault.people.accounts
    vault.keys.upgrading.open(HOST)
    write(vault, lambda unit: accounts.add(unit, HOST, "root", PASSWORD, Role.OPERATOR))
    session, _ = filled(vault, redis, "root")
    root = as_session(vault, session.secret)
    assert (root.newest_change, root.duties) == (None, (Duty.PASSWORD,))
    change_password(vault, root, PASSWORD, "velvet anchor sixteen plums")
    assert as_session(vault, session.secret).duties == ()


def test_a_duty_that_begins_is_asked_for_at_once(
    copied_vault: Callable[[Any], Any], redis_url: str, redis: redis_py.Redis, clock: FakeClock
) -> None:
    settings = replace(copied_vault("sqlite"), redis_url=redis_url, require_second_factor="all")
    with contextlib.closing(open_vault(settings, clock)) as vault:
        app = add_totp(vault, "ada")
        clock.advance(30)
        principal = with_code(vault, "ada", app, API)
        session, _ = filled(vault, redis)
        assert as_session(vault, session.secret).duties == ()
        vault.people.factors.remove(principal, app.id)
        assert as_session(vault, session.secret).duties == (Duty.SECOND_FACTOR,)
        assert not as_session(vault, session.secret).has_second_factor


HOSTILE = {
    "a huge value": b"$50000000\r\n" + b"x" * 50_000_000 + b"\r\n",
    "a value without an end": b"$9999999999\r\n" + b"x" * 5_000_000,
    "a line without an end": b"+" + b"x" * 5_000_000,
    "a list": b"*2\r\n$1\r\na\r\n$1\r\nb\r\n",
    "a number": b":7\r\n",
    "a number of 5,000 digits": b":" + b"9" * 5000 + b"\r\n",
    "lists in lists": b"*1\r\n" * 5000,
    "a list of a billion": b"*1000000000\r\n" + b":1\r\n" * 1000,
    "no length": b"$x\r\n",
    "a negative length": b"$-7\r\nabcdefgh\r\n",
    "no protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "nothing": b"\r\n",
    "an error": b"-MOVED 1 203.0.113.7:6379\r\n",
    "text that is none": b"-ERR \xff\xfe\r\n",
}


@pytest.mark.parametrize("command", [b"GET", b"SET"])
@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE.keys())
def test_whatever_answers_in_place_of_redis_is_a_miss(answer: bytes, command: bytes) -> None:
    with Answering(command, answer) as server, contextlib.closing(RedisCache(server.url)) as cache:
        if command == b"GET":
            assert cache.get("strongroom:k") is None
        else:
            cache.fill("strongroom:k", b"blob")
            cache.bury(["strongroom:k", "strongroom:l"])
        assert cache.rests or answer in (HOSTILE["a list"], HOSTILE["a number"])
        # What the kernel holds between the two is all that may be sent beyond the limit.
        assert server.sent < 20_000_000


def test_the_server_cannot_move_the_client_to_another_host() -> None:
    moving = b">4\r\n$6\r\nMOVING\r\n:1\r\n:1\r\n$15\r\n203.0.113.7:6379\r\n"
    with Answering(b"GET", moving.replace(b"$15", b"$16") + b"$1\r\nx\r\n") as server:
        cache = RedisCache(server.url.replace("protocol=2", "protocol=3"))
        assert [cache.get("strongroom:k") for _ in range(3)] == [b"x"] * 3
        assert server.connections == 1
        assert b"MAINT_NOTIFICATIONS" not in server.received
        cache.close()


ACL = "on >{password} resetkeys ~strongroom:* resetchannels -@all +get +set +select +hello +auth"
"""The user of the runbook."""


@pytest.mark.parametrize("protocol", [2, 3])
def test_the_user_of_the_runbook_may_do_what_the_vault_does_and_no_more(
    redis_server: Redis, redis: redis_py.Redis, protocol: int
) -> None:
    runbook = (Path(__file__).parents[4] / "deploy" / "RUNBOOK.md").read_text(encoding="utf-8")
    assert ACL.replace("{password}", "PASSWORD") in runbook
    redis.flushall()
    rules = ACL.format(password="secret").split()
    redis.execute_command("ACL", "SETUSER", "vault", "reset", *rules)  # type: ignore[no-untyped-call] # Stubs.
    url = redis_server.url.replace(f":{redis_server.password}@", "vault:secret@") + f"?protocol={protocol}"
    try:
        cache = RedisCache(url)
        cache.fill("strongroom:k", b"blob")
        assert (cache.get("strongroom:k"), cache.rests) == (b"blob", False)
        cache.bury(["strongroom:k"])
        assert (cache.get("strongroom:k"), cache.rests) == (b"revoked", False)
        cache.get("another:k")
        assert cache.rests
        cache.close()
        with redis_py.Redis.from_url(url) as client:
            for command in (
                "FLUSHALL",
                "KEYS *",
                "CONFIG GET *",
                "ACL LIST",
                "EVAL 1 0",
                "DEL strongroom:k",
            ):
                with pytest.raises(redis_py.exceptions.NoPermissionError):
                    client.execute_command(*command.split())
    finally:
        redis.acl_deluser("vault")
