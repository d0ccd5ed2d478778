"""Tickets: one use, 30 seconds, one session, 20 that wait. Every refusal looks the same."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from tests.support.vaults import FakeClock, add_token, as_session, as_token, grant, log_in, run_sql, write
from vault.crypto import TokenKind, mint, parse
from vault.errors import Forbidden, NotAuthenticated
from vault.jobs.purge import purge
from vault.model.principal import Principal
from vault.services import Services
from vault.services.sync.tickets import LIFE_SECONDS, WAITING_MOST


def issue(vault: Services, who: Principal) -> str:
    return write(vault, lambda unit: vault.sync.tickets.issue(unit, who))


def waiting(vault: Services) -> int:
    return len(run_sql(vault, "SELECT 1 FROM sync_tickets"))


def refused(vault: Services, text: str) -> None:
    with pytest.raises(NotAuthenticated) as caught:
        vault.sync.tickets.redeem(text)
    assert caught.value.message == NotAuthenticated.sentence


@pytest.fixture
def page(vault: Services) -> Principal:
    """The session of a page."""
    return as_session(vault, log_in(vault, "ada", "web").secret, "web")


def test_a_ticket_names_its_session_once(vault: Services, page: Principal) -> None:
    ticket = issue(vault, page)
    assert parse(ticket).kind is TokenKind.TICKET
    assert vault.sync.tickets.redeem(ticket) == page.id
    refused(vault, ticket)
    assert waiting(vault) == 0


def test_of_fifty_uses_at_once_one_succeeds(vault: Services, page: Principal) -> None:
    ticket = issue(vault, page)
    outcomes: list[str] = []
    start = threading.Barrier(50)

    def use() -> None:
        start.wait()
        try:
            outcomes.append(vault.sync.tickets.redeem(ticket))
        except NotAuthenticated:
            outcomes.append("refused")

    threads = [threading.Thread(target=use) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == sorted([page.id] + ["refused"] * 49)


@pytest.mark.parametrize(("seconds", "works"), [(LIFE_SECONDS - 1, True), (LIFE_SECONDS, False), (3600, False)])
def test_it_lives_for_thirty_seconds(
    vault: Services, page: Principal, clock: FakeClock, seconds: int, works: bool
) -> None:
    ticket = issue(vault, page)
    clock.advance(seconds)
    if works:
        assert vault.sync.tickets.redeem(ticket) == page.id
    else:
        refused(vault, ticket)


def test_it_ends_with_its_session_and_not_with_another(vault: Services, page: Principal) -> None:
    other = as_session(vault, log_in(vault, "ada", "web").secret, "web")
    ticket, kept = issue(vault, page), issue(vault, other)
    write(vault, lambda unit: vault.people.sessions.revoke(unit, page, page.id))
    refused(vault, ticket)
    assert vault.sync.tickets.redeem(kept) == other.id


def test_it_ends_when_the_session_does_by_itself(vault: Services, page: Principal, clock: FakeClock) -> None:
    run_sql(vault, "UPDATE sessions SET expires_us = expires_us")
    clock.advance(vault.settings.session_absolute_seconds - 10)
    ticket = issue(vault, page)
    clock.advance(10)
    refused(vault, ticket)


def test_a_session_that_has_ended_gets_none_and_a_token_gets_none(
    vault: Services, page: Principal, ada: Principal
) -> None:
    token = as_token(vault, add_token(vault, ada, grant("read", path="*")).secret)
    with pytest.raises(Forbidden):
        issue(vault, token)
    write(vault, lambda unit: vault.people.sessions.revoke(unit, page, page.id))
    with pytest.raises(NotAuthenticated):
        issue(vault, page)
    assert waiting(vault) == 0


def test_what_is_no_ticket_is_refused_alike(vault: Services, page: Principal) -> None:
    ticket = issue(vault, page)
    last = "0" if ticket[-1] != "0" else "1"
    for text in (
        "", "srm_", ticket[:-1], ticket + "0", ticket[:-1] + last, ticket.replace("srm_k_", "srm_s_"),
        mint(TokenKind.TICKET, page.id).text, mint(TokenKind.TICKET).text, mint(TokenKind.SESSION, page.id).text,
        log_in(vault, "ada", "web").secret,
    ):  # fmt: skip
        refused(vault, text)
    assert vault.sync.tickets.redeem(ticket) == page.id


def test_nothing_in_the_database_is_the_ticket_and_its_row_cannot_name_another_session(
    vault: Services, page: Principal, bob: Principal
) -> None:
    ticket = issue(vault, page)
    ((digest, user_id, session_id, _),) = run_sql(vault, "SELECT * FROM sync_tickets")
    assert ticket.encode() not in bytes(digest)
    assert len(bytes(digest)) == 32
    assert (user_id, session_id) == (page.user_id, page.id)
    theirs = log_in(vault, "bob", "web").session.id
    run_sql(vault, "UPDATE sync_tickets SET user_id = :user, session_id = :session", user=bob.user_id, session=theirs)
    assert vault.sync.tickets.redeem(ticket) == page.id


def test_twenty_wait_for_each_person_and_a_newer_one_pushes_out_the_oldest(
    vault: Services, page: Principal, bob: Principal, clock: FakeClock
) -> None:
    theirs = issue(vault, bob)
    tickets = []
    for _ in range(WAITING_MOST + 2):
        tickets.append(issue(vault, page))
        clock.advance(1)
    assert waiting(vault) == WAITING_MOST + 1
    for ticket in tickets[:2]:
        refused(vault, ticket)
    assert {vault.sync.tickets.redeem(ticket) for ticket in tickets[2:]} == {page.id}
    assert vault.sync.tickets.redeem(theirs) == bob.id


def test_many_at_once_do_not_store_one_too_many(vault: Services, page: Principal) -> None:
    threads = [threading.Thread(target=partial(issue, vault, page)) for _ in range(WAITING_MOST + 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert waiting(vault) == WAITING_MOST


def test_a_made_up_ticket_takes_no_turn_among_the_writers(
    vault: Services, page: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("It has opened a transaction.")

    monkeypatch.setattr(vault.storage, "transaction", fail)
    refused(vault, mint(TokenKind.TICKET, page.id).text)


def test_a_secret_of_another_kind_is_not_even_looked_up(
    vault: Services, page: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = log_in(vault, "ada", "web").secret

    def fail(*_: object) -> None:
        raise AssertionError("It has asked the database.")

    monkeypatch.setattr(vault.storage, "read", fail)
    refused(vault, secret)
    refused(vault, mint(TokenKind.WRAPPING).text)


def test_tickets_that_nobody_used_are_purged(vault: Services, page: Principal, clock: FakeClock) -> None:
    issue(vault, page)
    clock.advance(LIFE_SECONDS - 1)
    assert purge(vault)["tickets"] == 0
    clock.advance(1)
    assert purge(vault)["tickets"] == 1
    assert waiting(vault) == 0
