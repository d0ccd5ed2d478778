"""What strangers and people can make rows of has an end, and nobody is refused for what others have made."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from tests.support.vaults import (
    FakeClock,
    add_environment,
    add_token,
    as_token,
    grant,
    log_in,
    opened_again,
    patch,
    run_sql,
    write,
)
from vault.errors import BadLogin, InvalidInput, NotAuthenticated
from vault.model.folding import fold_address
from vault.model.principal import Principal
from vault.services import Services
from vault.services.idempotency import Call, Claim, KeptAnswer
from vault.services.people.factors.challenges import ChallengeFacts, Purpose
from vault.storage import Search, UnitOfWork


def count(vault: Services, table: str, where: str = "1 = 1", **values: Any) -> int:
    return int(run_sql(vault, f"SELECT count(*) FROM {table} WHERE {where}", **values)[0][0])


def test_a_login_past_the_quota_ends_the_session_that_was_idle_longest(
    vault: Services, ada: Principal, bob: Principal, clock: FakeClock
) -> None:
    with opened_again(vault, clock, quota_sessions=3) as small:
        secrets = []
        # Their sessions so far are as old as the time of the machine says.
        clock.advance(600)
        for _ in range(4):
            clock.advance(1)
            secrets.append(log_in(small, "ada").secret)
        living = []
        for secret in secrets:
            try:
                living.append(small.people.sessions.authenticate(secret, "api", "192.0.2.1", "r"))
            except NotAuthenticated:
                continue
        assert [who.id[:4] for who in living] == [secret[6:10] for secret in secrets[1:]]
        with small.storage.read() as unit:
            told = unit.audit_events.page(Search(user_id=ada.user_id, action="session.revoke"), None, 10)
        assert {json.loads(seen.event.details)["because"] for seen in told} == {"limit"}
        assert count(small, "sessions", "user_id = :id AND revoked_us IS NULL", id=bob.user_id) == 1


def test_ended_sessions_are_kept_up_to_a_bound(
    vault: Services, ada: Principal, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.services.people.sessions.ENDED_MOST", 5)
    with opened_again(vault, clock, quota_sessions=2) as small:
        for _ in range(20):
            clock.advance(1)
            log_in(small, "ada")
        assert count(small, "sessions", "user_id = :id", id=ada.user_id) <= 2 + 5 + 1


def test_challenges_of_a_person_and_of_all_strangers_have_a_bound(
    vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.services.people.factors.challenges.OF_PERSON_MOST", 3)
    monkeypatch.setattr("vault.services.people.factors.challenges.OF_STRANGERS_MOST", 5)
    monkeypatch.setattr("vault.services.people.factors.challenges._LOOK_EVERY", 1)
    challenges = vault.people.factors._challenges
    for number in range(12):
        facts = ChallengeFacts(kind="api", user_id=ada.user_id)
        write(vault, partial(challenges.begin, purpose=Purpose.LOGIN, facts=facts))
        write(vault, _stranger(vault, number))
    assert count(vault, "challenges", "user_id IS NOT NULL") == 3
    assert count(vault, "challenges", "user_id IS NULL") == 5


def _stranger(vault: Services, number: int) -> Any:
    def open_one(unit: UnitOfWork) -> None:
        # Each from a network of its own, so that no bound for an address is in the way.
        vault.people.factors._challenges.begin(
            unit, Purpose.LOGIN, ChallengeFacts(kind="api"), address=f"2001:db8:{number:x}::1"
        )

    return open_one


def test_places_that_a_person_has_logged_in_from_have_a_bound(
    vault: Services, ada: Principal, bob: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.storage.rows.users.KNOWN_ADDRESSES_MOST", 4)
    for number in range(10):
        with vault.storage.write() as unit:
            unit.known_addresses.note(ada.user_id, bytes([number]) * 32, 1000 + number)
            unit.known_addresses.note(bob.user_id, bytes([number % 2]) * 32, 1000 + number)
    with vault.storage.read() as unit:
        assert [unit.known_addresses.has(ada.user_id, bytes([n]) * 32, 0) for n in range(10)] == [False] * 6 + [
            True
        ] * 4
    assert count(vault, "known_addresses", "user_id = :id", id=bob.user_id) == 2


def test_counters_of_failures_have_a_bound(vault: Services, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.services.people.throttle.COUNTERS_MOST", 20)
    monkeypatch.setattr("vault.services.people.throttle._LOOK_EVERY", 1)
    throttle = vault.people.accounts._throttle
    for number in range(30):
        name, address = f"nobody-{number}", f"2001:db8:{number:x}::1"
        write(vault, partial(throttle.admit, username_folded=name, address=address, user_id=None))
        clock.advance(1)
    assert count(vault, "throttle") == 20
    # What is counted again and again stays: the counter of all together still counts.
    assert run_sql(vault, "SELECT max(failures) FROM throttle")[0][0] == 30


def test_changes_have_a_bound_for_each_person(
    vault: Services, ada: Principal, bob: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.storage.rows.changes.CHANGES_MOST", 5)
    monkeypatch.setattr("vault.storage.rows.changes._LOOK_EVERY", 1)
    for who in (ada, bob):
        add_environment(vault, who, "prod", A="1")
    before = count(vault, "changes", "user_id = :id", id=bob.user_id)
    for number in range(12):
        patch(vault, ada, "prod", A=str(number))
    assert count(vault, "changes", "user_id = :id", id=ada.user_id) == 5
    assert count(vault, "changes", "user_id = :id", id=bob.user_id) == before


def test_refusals_of_strangers_make_rows_by_the_minute_and_not_by_the_address(
    vault: Services, clock: FakeClock
) -> None:
    before = count(vault, "audit_events")
    for number in range(3000):
        # A /48 has 65,536 networks that are told apart.
        vault.audit.reads.turned_away(BadLogin(), None, address=f"2001:db8:0:{number:x}::1", request_id="r", call="c")
    clock.advance(61)
    vault.audit.reads.drain()
    told = run_sql(vault, "SELECT details FROM audit_events WHERE action = 'refused'")
    assert count(vault, "audit_events") - before <= 2 * 257
    assert sum(json.loads(row[0])["count"] for row in told) == 3000
    assert fold_address("2001:db8::1") == fold_address("2001:db8::2")


def test_one_token_does_not_push_out_what_others_have_kept(
    vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.services.idempotency.OF_TOKEN_MOST", 3)
    monkeypatch.setattr("vault.services.idempotency._LOOK_BELOW", 256)
    parent = as_token(vault, add_token(vault, ada, grant("read,delegate", path="*")).secret)
    child = as_token(vault, add_token(vault, parent, grant("read", path="*")).secret)
    other = as_token(vault, add_token(vault, ada, grant("read", path="*")).secret)
    for who in (ada, other):
        _keep(vault, who, "first")
    for number in range(8):
        _keep(vault, parent, f"p{number}")
        _keep(vault, child, f"c{number}")
    assert count(vault, "idempotency", "user_id = :id", id=ada.user_id) == 2 + 3
    for who in (ada, other):
        kept = write(vault, partial(vault.idempotency.claim, principal=who, call=_call("first")))
        assert isinstance(kept, KeptAnswer)


def test_an_answer_too_large_to_be_kept_undoes_its_change(vault: Services, ada: Principal) -> None:
    def change(unit: UnitOfWork) -> None:
        claim = vault.idempotency.claim(unit, ada, _call("large"))
        assert isinstance(claim, Claim)
        vault.environments.environments.create(unit, ada, "made")
        vault.idempotency.keep(unit, ada, claim, KeptAnswer(201, {}, "x" * (5 << 20)))

    with pytest.raises(InvalidInput, match="too large to be stored"):
        write(vault, change)
    assert count(vault, "environments", "name = 'made'") == 0
    assert count(vault, "idempotency") == 0


def _call(key: str) -> Call:
    return Call("POST", "/api/v1/environments", key, b"{}")


def _keep(vault: Services, who: Principal, key: str) -> None:
    def keep(unit: UnitOfWork) -> None:
        claim = vault.idempotency.claim(unit, who, _call(key))
        assert isinstance(claim, Claim)
        vault.idempotency.keep(unit, who, claim, KeptAnswer(201, {}, "{}"))

    write(vault, keep)
