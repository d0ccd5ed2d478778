"""Who loses their right is told nothing more, and is told so within a second."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import pytest

from tests.integration.sync.house import House
from tests.support.patience import eventually, in_time
from tests.support.vaults import (
    HOST,
    PASSWORD,
    add_token,
    as_session,
    as_token,
    change_password,
    erase_oneself,
    grant,
    log_in,
    patch,
    run_sql,
    write,
)
from vault.model.clock import SECOND_US
from vault.model.principal import Principal
from vault.services.keys import locking
from vault.storage.rows.marks import Marks


class Follower(Protocol):
    """A client that follows `prod`."""

    def follow(self, house: House, secret: str) -> None: ...

    def revision(self) -> int: ...

    def ending(self) -> str: ...


class ByStream:
    """By an event stream."""

    def follow(self, house: House, secret: str) -> None:
        self.stream = house.stream(secret, environment="prod")
        assert self.stream.next()

    def revision(self) -> int:
        number: int = self.stream.change().data["revision"]
        return number

    def ending(self) -> str:
        """The code of the end, which must be the next event and the last one."""
        event = self.stream.next()
        assert event is not None
        assert event.type == "end", event
        assert self.stream.next() is None
        code: str = event.data["code"]
        return code


class BySocket:
    """By a WebSocket."""

    def follow(self, house: House, secret: str) -> None:
        self.socket = house.socket(secret)
        self.socket.told()
        self.socket.subscribe(environments=["prod"])

    def revision(self) -> int:
        number: int = self.socket.told()["revision"]
        return number

    def ending(self) -> str:
        """The same, from the code of the close frame."""
        arrived = self.socket.next()
        assert arrived.opcode == 0x8, arrived
        return {4401: "not_authenticated", 4403: "forbidden", 4423: "vault_locked"}[arrived.code]


FOLLOWERS = [pytest.param(ByStream, id="stream"), pytest.param(BySocket, id="socket")]

End = Callable[[House, Principal, str], None]
"""Ends a credential: the house, its person, and its secret."""


def revoke_token(house: House, ada: Principal, secret: str) -> None:
    token = as_token(house.vault, secret)
    write(house.vault, lambda unit: house.vault.tokens.tokens.revoke(unit, ada, token.id))


def rotate_token(house: House, ada: Principal, secret: str) -> None:
    token = as_token(house.vault, secret)
    write(house.vault, lambda unit: house.vault.tokens.tokens.rotate(unit, ada, token.id, 0))


def disable_person(house: House, ada: Principal, secret: str) -> None:
    write(house.vault, lambda unit: house.vault.people.accounts.set_state(unit, HOST, ada.username, active=False))


def erase_person(house: House, ada: Principal, secret: str) -> None:
    erase_oneself(house.vault, ada)


TOKEN_ENDS = [revoke_token, rotate_token, disable_person, erase_person]


def end_session(house: House, ada: Principal, secret: str) -> None:
    session = as_session(house.vault, secret)
    write(house.vault, lambda unit: house.vault.people.sessions.revoke(unit, ada, session.id))


def end_others(house: House, ada: Principal, secret: str) -> None:
    write(house.vault, lambda unit: house.vault.people.ending.others(unit, ada))


def new_password(house: House, ada: Principal, secret: str) -> None:
    change_password(house.vault, ada, PASSWORD, "copper meadow twelve lantern")


SESSION_ENDS = [end_session, end_others, new_password, disable_person]


def _ends(house: House, ada: Principal, secret: str, end: End, follower: Follower) -> None:
    """Follow, be told once, lose the right, and be told that and nothing more."""
    follower.follow(house, secret)
    patch(house.vault, ada, "prod", A="2")
    assert follower.revision() == 2
    end(house, ada, secret)
    ended = time.monotonic()
    if end not in (erase_person,):
        patch(house.vault, ada, "prod", A="3")
    assert follower.ending() == "not_authenticated"
    assert in_time(time.monotonic() - ended, 1.0)


@pytest.mark.parametrize("kind", FOLLOWERS)
@pytest.mark.parametrize("end", TOKEN_ENDS)
def test_a_token_s_follower(house: House, kind: type[Follower], end: End) -> None:
    ada = house.person()
    house.environment(ada)
    _ends(house, ada, house.token(ada, "prod"), end, kind())


@pytest.mark.parametrize("kind", FOLLOWERS)
@pytest.mark.parametrize("end", SESSION_ENDS)
def test_a_session_s_follower(house: House, kind: type[Follower], end: End) -> None:
    ada = house.person()
    house.environment(ada)
    _ends(house, ada, log_in(house.vault, ada.username).secret, end, kind())


def test_a_credential_that_expires(sqlite_house: House) -> None:
    house = sqlite_house
    ada = house.person()
    house.environment(ada)
    made = add_token(house.vault, ada, grant("list,read", environment="prod"), ttl_seconds=3)
    assert made.secret is not None
    followers: list[Follower] = [ByStream(), BySocket()]
    expires = time.monotonic() + 3
    for each in followers:
        each.follow(house, made.secret)
    assert [each.ending() for each in followers] == ["not_authenticated"] * 2
    assert in_time(time.monotonic() - expires, 1.0)
    assert time.monotonic() > expires - 0.5


def test_a_poll_that_waits(house: House) -> None:
    ada = house.person()
    house.environment(ada)
    secret = house.token(ada, "prod")
    cursor = house.poll(secret, environment="prod")[1]["cursor"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(house.poll, secret, environment="prod", after=cursor, wait=60)
        time.sleep(0.5)
        revoke_token(house, ada, secret)
        status, problem = waiting.result()
    assert (status, problem["code"]) == (401, "not_authenticated")


def test_a_token_whose_uses_are_counted_cannot_follow(house: House) -> None:
    ada = house.person()
    house.environment(ada)
    secret = house.token(ada, "prod", uses=5)
    stream = house.stream(secret, environment="prod")
    assert (stream.status, stream.problem["code"]) == (403, "forbidden")
    assert house.poll(secret, environment="prod")[0] == 403
    assert house.refusal(f"Authorization: Bearer {secret}").status == 403


def test_a_lock_ends_everything(house: House) -> None:
    ada = house.person()
    house.environment(ada)
    secret = house.token(ada, "prod")
    followers: list[Follower] = [ByStream(), BySocket()]
    for each in followers:
        each.follow(house, secret)
    locking.lock(house.vault.storage, HOST)
    try:
        locked = time.monotonic()
        assert [each.ending() for each in followers] == ["vault_locked"] * 2
        assert in_time(time.monotonic() - locked, 1.0)
        assert house.poll(secret, environment="prod")[0] == 503
    finally:
        locking.unlock(house.vault.storage, HOST)
    # Each worker sees it by itself, and a new connection may reach any of them.
    assert eventually(lambda: all(house.poll(secret, environment="prod")[0] == 200 for _ in range(6)))


@pytest.fixture
def older_worker(house: House) -> Iterator[None]:
    """A worker of release 0.2.0 on the same database."""
    id_ = str(uuid.uuid4())
    write(house.vault, lambda unit: unit.workers.beat(id_, "elsewhere", 1, 1, 1, house.vault.clock(), 60 * SECOND_US))
    run_sql(house.vault, "UPDATE workers SET release = '0.2.0' WHERE id = :id", id=id_)
    # Each worker asks once a second.
    time.sleep(1.2)
    yield
    run_sql(house.vault, "DELETE FROM workers WHERE id = :id", id=id_)


@pytest.mark.parametrize("kind", FOLLOWERS)
def test_a_session_that_a_worker_of_release_0_2_0_ends(
    house: House, older_worker: None, kind: type[Follower], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It raises no read mark."""
    ada, follower = house.person(), kind()
    house.environment(ada)
    secret = log_in(house.vault, ada.username).secret
    follower.follow(house, secret)
    monkeypatch.setattr(Marks, "rise", lambda *_: None)
    end_session(house, ada, secret)
    ended = time.monotonic()
    assert follower.ending() == "not_authenticated"
    assert in_time(time.monotonic() - ended, 3.0)
