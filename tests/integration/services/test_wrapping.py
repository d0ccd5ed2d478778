"""Wrapped answers in a database that somebody else can write to: their owner and their time are sealed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.vaults import ADDRESS, HOST, FakeClock, run_sql, wrap, write
from vault.errors import InvalidInput
from vault.model.principal import Principal
from vault.services import Services

DAY = 86_400
SPENT = "wrapping token is not valid or does not exist"


def unwrap(vault: Services, token: str) -> str:
    return write(vault, lambda unit: vault.vaultkv.wrapping.unwrap(unit, token, ADDRESS, "request"))


def rewrap(vault: Services, token: str) -> str:
    return write(vault, lambda unit: vault.vaultkv.wrapping.rewrap(unit, token, ADDRESS, "request")).token


def lookup(vault: Services, token: str) -> str:
    return vault.vaultkv.wrapping.look_up(token).path


Read = Callable[[Services, str], str]
READS: tuple[Read, ...] = (unwrap, rewrap, lookup)


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("seconds", [60, DAY])
def test_a_longer_time_in_the_row_is_none(
    vault: Services, ada: Principal, clock: FakeClock, seconds: int, read: Read
) -> None:
    token = wrap(vault, ada, "answer", "path", seconds)
    run_sql(vault, "UPDATE wrapped_answers SET expires_us = :later, created_us = :later", later=clock.us + 10**15)
    assert lookup(vault, token) == "path"
    clock.advance(seconds)
    with pytest.raises(InvalidInput, match=SPENT):
        read(vault, token)


@pytest.mark.parametrize("read", READS)
def test_a_time_begins_anew_with_a_rewrap(vault: Services, ada: Principal, clock: FakeClock, read: Read) -> None:
    token = wrap(vault, ada, "answer", "path", 60)
    clock.advance(59)
    token = rewrap(vault, token)
    clock.advance(59)
    assert read(vault, token)


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("is_rewrapped", [False, True])
def test_an_answer_cannot_be_given_to_another_owner(
    vault: Services, ada: Principal, bob: Principal, read: Read, is_rewrapped: bool
) -> None:
    token = wrap(vault, ada, "answer", "path", 60)
    if is_rewrapped:
        token = rewrap(vault, token)
    write(vault, lambda unit: vault.people.accounts.set_state(unit, HOST, "ada", active=False))
    run_sql(vault, "UPDATE wrapped_answers SET user_id = :bob", bob=bob.user_id)
    with pytest.raises(InvalidInput, match=SPENT):
        read(vault, token)
    assert run_sql(vault, "SELECT 1 FROM audit_events WHERE action = 'wrapping.unwrap'") == []
