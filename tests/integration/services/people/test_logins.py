"""Logins in two steps: a challenge is completed once, by whom and for what it was made, and by nobody else."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest

from tests.support.factors import API, WEB, App, add_passkey, add_totp, asked, fresh, sessions_of, with_code
from tests.support.patience import HANG_SECONDS
from tests.support.vaults import (
    ADDRESS,
    HOST,
    PASSWORD,
    FakeClock,
    as_session,
    change_password,
    erase_oneself,
    log_in,
    run_sql,
    write,
)
from vault.crypto import Key, context, seal
from vault.errors import (
    BadLogin,
    BadSecondFactor,
    BlobError,
    InvalidInput,
    MacError,
    NotAuthenticated,
    SecondFactorRequired,
    StepUpRequired,
    StrongroomError,
    TooManyRequests,
)
from vault.jobs.purge import purge
from vault.model.clock import SECOND_US
from vault.model.principal import Principal
from vault.services import Services
from vault.services.people.factors import Challenge
from vault.services.people.factors.challenges import ATTEMPTS, FROM_ADDRESS_MOST, LIFE_SECONDS, ChallengeFacts
from vault.services.people.logins import Proof
from vault.services.people.sessions import NewSession
from vault.services.people.throttle import DAILY_FACTOR_FAILURES, PAIR_FAILURES, WINDOW_US
from vault.services.people.visit import Visit

NEW_PASSWORD = "velvet anchor sixteen plums"


@pytest.fixture
def clock() -> FakeClock:
    """A clock that moves with each look, so that events have an order."""
    return FakeClock(tick_us=1)


@pytest.fixture
def app(vault: Services, ada: Principal, clock: FakeClock) -> App:
    """Ada's authenticator app; a step after it was added, so that its code is a new one."""
    made = add_totp(vault, "ada")
    clock.advance(30)
    return made


def refused(vault: Services, challenge_id: str, proof: Proof, visit: Visit = WEB) -> None:
    with pytest.raises(BadSecondFactor) as caught:
        vault.people.logins.complete(challenge_id, proof, visit)
    # Every cause looks the same.
    assert (type(caught.value), str(caught.value)) == (BadSecondFactor, BadSecondFactor.sentence)


def events(vault: Services, user_id: str) -> list[str]:
    """What a person's trail tells, in order."""
    found = run_sql(vault, "SELECT action FROM audit_events WHERE user_id = :user ORDER BY at_us", user=user_id)
    return [row.action for row in found]


def test_without_a_second_factor_a_password_is_a_session(vault: Services, ada: Principal) -> None:
    begun = vault.people.logins.begin("ada", PASSWORD, WEB)
    assert isinstance(begun, NewSession)
    principal = as_session(vault, begun.secret, "web")
    assert (principal.factors, principal.has_second_factor) == (("password",), False)


def test_with_one_a_password_is_a_challenge_and_no_session(vault: Services, ada: Principal, app: App) -> None:
    before = sessions_of(vault, ada)
    required = asked(vault, "ada")
    assert required.kinds == ("totp", "recovery")
    assert sessions_of(vault, ada) == before
    principal = with_code(vault, "ada", app)
    assert (principal.factors, principal.has_second_factor) == (("password", "totp"), True)


def test_a_wrong_password_tells_nothing_of_the_second_factor(vault: Services, app: App) -> None:
    with pytest.raises(BadLogin):
        vault.people.logins.begin("ada", "wrong password!", WEB)


def test_the_face_that_asks_for_nothing_more_refuses_the_account(vault: Services, app: App) -> None:
    with pytest.raises(SecondFactorRequired) as caught:
        vault.people.accounts.authenticate("ada", PASSWORD, ADDRESS)
    assert caught.value.challenge_id == ""


def test_a_challenge_is_completed_once(vault: Services, app: App, clock: FakeClock) -> None:
    required = asked(vault, "ada")
    vault.people.logins.complete(required.id, Proof(code=app.code(vault)), WEB)
    clock.advance(30)
    refused(vault, required.id, Proof(code=app.code(vault)))


def test_a_challenge_ends_after_five_minutes_whatever_its_column_says(
    vault: Services, app: App, clock: FakeClock
) -> None:
    required = asked(vault, "ada")
    clock.advance(LIFE_SECONDS)
    refused(vault, required.id, Proof(code=app.code(vault)))
    run_sql(vault, "UPDATE challenges SET expires_us = expires_us + 3600000000")
    refused(vault, required.id, Proof(code=app.code(vault)))


def test_a_challenge_takes_five_attempts(vault: Services, app: App) -> None:
    required = asked(vault, "ada")
    for _ in range(ATTEMPTS):
        refused(vault, required.id, Proof(code="000000"))
    refused(vault, required.id, Proof(code=app.code(vault)))


@pytest.mark.parametrize(
    "name", ["", "x", "\0", "a" * 5000, str(uuid.UUID(int=0)), "0B8C6C38-6BD0-4A4E-9D7E-0D4F6F3D8C11"]
)
def test_a_challenge_that_never_was(vault: Services, ada: Principal, name: str) -> None:
    refused(vault, name, Proof(code="123456"))


def test_exactly_one_proof_is_taken(vault: Services, app: App) -> None:
    required = asked(vault, "ada")
    both = Proof(code=app.code(vault), recovery_code=app.recovery_codes[0])
    for proof in (Proof(), both, Proof(passkey={})):
        with pytest.raises(InvalidInput):
            vault.people.logins.complete(required.id, proof, WEB)
    # None of these counted as an attempt.
    vault.people.logins.complete(required.id, Proof(code=app.code(vault)), WEB)


def test_a_challenge_of_one_door_is_none_at_the_other(vault: Services, app: App) -> None:
    refused(vault, asked(vault, "ada", WEB).id, Proof(code=app.code(vault)), API)
    refused(vault, asked(vault, "ada", API).id, Proof(code=app.code(vault)), WEB)


def test_anothers_code_completes_nothing(vault: Services, app: App, bob: Principal, clock: FakeClock) -> None:
    bobs = add_totp(vault, "bob")
    clock.advance(30)
    refused(vault, asked(vault, "ada").id, Proof(code=bobs.code(vault)))
    refused(vault, asked(vault, "ada").id, Proof(recovery_code=bobs.recovery_codes[0]))


def test_a_password_that_was_changed_in_between_ends_the_login(vault: Services, app: App) -> None:
    required = asked(vault, "ada")
    write(vault, lambda unit: vault.people.accounts.set_password(unit, HOST, "ada", NEW_PASSWORD))
    refused(vault, required.id, Proof(code=app.code(vault)))


def test_an_account_that_was_disabled_in_between_stays_outside(vault: Services, app: App) -> None:
    required = asked(vault, "ada")
    write(vault, lambda unit: vault.people.accounts.set_state(unit, HOST, "ada", active=False))
    refused(vault, required.id, Proof(code=app.code(vault)))


def test_a_refused_factor_leaves_no_session_and_stands_in_the_trail(vault: Services, ada: Principal, app: App) -> None:
    before = sessions_of(vault, ada)
    refused(vault, asked(vault, "ada").id, Proof(code="000000"))
    assert sessions_of(vault, ada) == before
    assert events(vault, ada.user_id)[-2:] == ["session.challenge", "factor.refused"]
    with_code(vault, "ada", app)
    assert events(vault, ada.user_id)[-2:] == ["session.challenge", "session.begin"]


def test_the_audit_stays_clean(vault: Services, ada: Principal, app: App, clock: FakeClock) -> None:
    principal = with_code(vault, "ada", app)
    add_passkey(vault, "ada", principal)
    vault.people.factors.new_recovery_codes(principal)
    vault.people.factors.remove(principal, app.id)
    write(vault, lambda unit: vault.people.factors.reset(unit, HOST, "ada"))
    with vault.storage.write() as unit:
        vault.audit.tree.sequence(unit)
    report = vault.audit.verifier.verify()
    assert list(report.faults) == []


# -- What stands in the database is nobody else's to write --


def test_a_challenge_that_was_moved_to_another_id_or_purpose_does_not_open(vault: Services, app: App) -> None:
    required = asked(vault, "ada")
    other = str(uuid.uuid4())
    run_sql(vault, "UPDATE challenges SET id = :other WHERE id = :id", other=other, id=required.id)
    with pytest.raises(BlobError):
        vault.people.logins.complete(other, Proof(code=app.code(vault)), WEB)
    run_sql(vault, "UPDATE challenges SET id = :id, purpose = 'step-up'", id=required.id)
    with pytest.raises(BlobError):
        vault.people.logins.complete_step_up(fresh(vault, "ada"), required.id, Proof(code=app.code(vault)), API)


def test_who_deletes_the_factors_by_sql_locks_the_account_and_does_not_open_it(
    vault: Services, ada: Principal, app: App
) -> None:
    run_sql(vault, "DELETE FROM credentials WHERE kind <> 'password'")
    with pytest.raises(SecondFactorRequired, match="Ask an operator") as caught:
        vault.people.logins.begin("ada", PASSWORD, WEB)
    assert caught.value.challenge_id == ""
    assert events(vault, ada.user_id)[-1] == "factor.missing"
    with pytest.raises(SecondFactorRequired):
        vault.people.accounts.authenticate("ada", PASSWORD, ADDRESS)


def test_who_says_by_sql_that_none_is_needed_is_found_out(vault: Services, app: App) -> None:
    run_sql(vault, "UPDATE users SET second_factor = false")
    with pytest.raises(MacError):
        vault.people.logins.begin("ada", PASSWORD, WEB)


def test_an_old_row_of_the_users_that_was_put_back_does_not_open_the_account(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    (old,) = run_sql(vault, "SELECT * FROM users WHERE id = :id", id=ada.user_id)
    add_totp(vault, "ada")
    columns = ", ".join(f"{name} = :{name}" for name in old._mapping)
    run_sql(vault, f"UPDATE users SET {columns} WHERE id = :id", **old._mapping)
    assert asked(vault, "ada").kinds == ("totp", "recovery")


# -- Many at once, and many one after the other --


def at_once(count: int, action: Callable[[int], object]) -> list[object]:
    """What `count` threads come to that begin at the same moment."""
    start = threading.Barrier(count)

    def run(number: int) -> object:
        start.wait(HANG_SECONDS)
        try:
            return action(number)
        except StrongroomError as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.fixture
def no_throttle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guesses without number, so that nothing but the factor itself stands in the way."""
    monkeypatch.setattr("vault.services.people.throttle._refusals", lambda *_arguments, **_more: [0])


def many_challenges(vault: Services, count: int) -> list[str]:
    """As many as so many right passwords give, without their hashing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vault.services.people.accounts.verify_password", lambda *_: True)
        return [asked(vault, "ada").id for _ in range(count)]


@pytest.mark.usefixtures("no_throttle")
def test_fifty_at_once_with_one_code_are_one_login(vault: Services, ada: Principal, app: App) -> None:
    ids, code = many_challenges(vault, 50), app.code(vault)
    before = sessions_of(vault, ada)
    outcomes = at_once(50, lambda number: vault.people.logins.complete(ids[number], Proof(code=code), WEB))
    accepted = [outcome for outcome in outcomes if not isinstance(outcome, StrongroomError)]
    assert len(accepted) == 1, outcomes
    assert sessions_of(vault, ada) == before + 1


@pytest.mark.usefixtures("no_throttle")
def test_fifty_at_once_with_one_recovery_code_are_one_login(vault: Services, ada: Principal, app: App) -> None:
    ids, proof = many_challenges(vault, 50), Proof(recovery_code=app.recovery_codes[3])
    before = sessions_of(vault, ada)
    outcomes = at_once(50, lambda number: vault.people.logins.complete(ids[number], proof, WEB))
    assert sum(not isinstance(outcome, StrongroomError) for outcome in outcomes) == 1, outcomes
    assert sessions_of(vault, ada) == before + 1
    assert vault.people.factors.list(ada).recovery_codes_left == 9


@pytest.mark.usefixtures("no_throttle")
def test_ten_at_once_on_one_challenge_are_one_login(vault: Services, ada: Principal, app: App) -> None:
    (challenge_id,) = many_challenges(vault, 1)
    proofs = [Proof(recovery_code=code) for code in app.recovery_codes]
    before = sessions_of(vault, ada)
    outcomes = at_once(10, lambda number: vault.people.logins.complete(challenge_id, proofs[number], WEB))
    assert sum(not isinstance(outcome, StrongroomError) for outcome in outcomes) == 1, outcomes
    assert sessions_of(vault, ada) == before + 1


def test_guesses_are_counted_across_challenges_and_a_right_password_does_not_clear_them(
    vault: Services, app: App, clock: FakeClock
) -> None:
    # No spelling of a guess has a counter of its own (CVE-2025-6014, CVE-2025-6015).
    spellings = ["000000", " 000000", "000 000", "000000 ", "0 0 0 0 0 0", "00000"]
    # What is no code at all is no guess, and is not counted.
    for slip in ("\uff10" * 6, "000000\n", "x", "٠" * 6):
        with pytest.raises(InvalidInput, match="digits only"):
            vault.people.logins.complete(asked(vault, "ada").id, Proof(code=slip), WEB)
    for number in range(PAIR_FAILURES):
        refused(vault, asked(vault, "ada").id, Proof(code=spellings[number % len(spellings)]))
    with pytest.raises(TooManyRequests):
        vault.people.logins.complete(asked(vault, "ada").id, Proof(code=app.code(vault)), WEB)
    clock.advance(WINDOW_US / 1e6 + 1)
    with_code(vault, "ada", app)


def test_a_password_alone_makes_no_address_the_owners(vault: Services, app: App, clock: FakeClock) -> None:
    asked(vault, "ada", Visit("web", "203.0.113.9"))
    count = run_sql(vault, "SELECT count(*) AS n FROM known_addresses")[0].n
    with_code(vault, "ada", app, Visit("web", "203.0.113.9"))
    assert run_sql(vault, "SELECT count(*) AS n FROM known_addresses")[0].n == count + 1


def test_a_day_of_guesses_from_everywhere_ends_at_a_hundred_and_the_owner_gets_in(
    vault: Services, ada: Principal, app: App, clock: FakeClock
) -> None:
    home = Visit("web", "198.51.100.7")
    with_code(vault, "ada", app, home)

    def guess(number: int) -> None:
        with vault.storage.write() as unit:
            vault.people.logins._throttle.admit_factor(unit, ada.user_id, f"203.0.{number // 250}.{number % 250}")

    for number in range(DAILY_FACTOR_FAILURES):
        # As patient as the slowest rule wants it.
        clock.advance(61)
        guess(number)
    clock.advance(3600)
    with pytest.raises(TooManyRequests) as caught:
        guess(1000)
    assert caught.value.retry_after_seconds > 3600
    with_code(vault, "ada", app, home)


def open_logins(vault: Services) -> set[str]:
    return {row[0] for row in run_sql(vault, "SELECT id FROM challenges")}


@pytest.mark.parametrize("address", [WEB.address, "2001:db8::1", "unknown"])
def test_sign_ins_that_nobody_stands_behind_are_bounded_by_address_and_refuse_nobody(
    vault: Services, clock: FakeClock, address: str
) -> None:
    run_sql(vault, "DELETE FROM challenges")
    here, elsewhere = Visit("web", address), Visit("web", "203.0.113.1")
    begun = [vault.people.logins.begin_passkey(elsewhere).id]
    for _ in range(FROM_ADDRESS_MOST + 2):
        clock.advance(0.01)
        begun.append(vault.people.logins.begin_passkey(here).id)
    # The oldest of this address are gone, and those of others are not.
    assert open_logins(vault) == {begun[0], *begun[3:]}
    clock.advance(LIFE_SECONDS)
    vault.people.logins.begin_passkey(here)
    assert purge(vault)["challenges"] == FROM_ADDRESS_MOST


# -- Stepping up --


def test_a_step_up_without_a_second_factor_needs_the_password(vault: Services, ada: Principal) -> None:
    old = fresh(vault, "ada")
    begun = vault.people.logins.step_up(old, PASSWORD, API)
    assert isinstance(begun, NewSession)
    assert as_session(vault, begun.secret).factors == ("password",)


def test_a_step_up_with_a_second_factor_needs_both_and_replaces_the_session(
    vault: Services, app: App, clock: FakeClock
) -> None:
    old = log_in(vault, "ada")
    principal = as_session(vault, old.secret)
    required = vault.people.logins.step_up(principal, PASSWORD, API)
    assert isinstance(required, Challenge)
    begun = vault.people.logins.complete_step_up(principal, required.id, Proof(code=app.code(vault)), API)
    as_session(vault, begun.secret).require_recent_proof(clock())
    with pytest.raises(NotAuthenticated):
        as_session(vault, old.secret)


def test_only_the_session_that_began_a_step_up_completes_it(
    vault: Services, app: App, bob: Principal, clock: FakeClock
) -> None:
    principal = fresh(vault, "ada")
    required = vault.people.logins.step_up(principal, PASSWORD, API)
    assert isinstance(required, Challenge)
    challenge_id = required.id
    for other in (fresh(vault, "ada"), fresh(vault, "bob")):
        with pytest.raises(BadSecondFactor):
            vault.people.logins.complete_step_up(other, challenge_id, Proof(code=app.code(vault)), API)
    # A step-up is no login, and a login no step-up.
    refused(vault, challenge_id, Proof(code=app.code(vault)), API)
    login = asked(vault, "ada", API)
    with pytest.raises(BadSecondFactor):
        vault.people.logins.complete_step_up(principal, login.id, Proof(code=app.code(vault)), API)


def test_a_session_with_a_password_alone_is_not_recent_enough_for_an_account_with_more(
    vault: Services, app: App, clock: FakeClock
) -> None:
    stolen = fresh(vault, "ada")
    with pytest.raises(StepUpRequired):
        stolen.require_recent_proof(clock())
    for attempt in (
        lambda: change_password(vault, stolen, PASSWORD, NEW_PASSWORD),
        lambda: erase_oneself(vault, stolen, PASSWORD),
        lambda: vault.people.factors.begin_totp(stolen),
        lambda: vault.people.factors.begin_passkey(stolen),
        lambda: vault.people.factors.remove(stolen, app.id),
        lambda: vault.people.factors.new_recovery_codes(stolen),
    ):
        with pytest.raises(StepUpRequired):
            attempt()


def test_with_both_proofs_the_password_is_changed_and_the_account_deleted(
    vault: Services, app: App, clock: FakeClock
) -> None:
    principal = with_code(vault, "ada", app)
    with pytest.raises(BadLogin):
        change_password(vault, principal, "wrong password!", NEW_PASSWORD)
    change_password(vault, principal, PASSWORD, NEW_PASSWORD)
    clock.advance(301)
    with pytest.raises(StepUpRequired):
        erase_oneself(vault, principal, NEW_PASSWORD)
    required = vault.people.logins.step_up(principal, NEW_PASSWORD, WEB)
    assert isinstance(required, Challenge)
    begun = vault.people.logins.complete_step_up(principal, required.id, Proof(code=app.code(vault)), WEB)
    erase_oneself(vault, as_session(vault, begun.secret, "web"), NEW_PASSWORD)
    with pytest.raises(BadLogin):
        vault.people.logins.begin("ada", NEW_PASSWORD, WEB)


def test_no_repr_tells_a_code(vault: Services, app: App) -> None:
    proof = Proof(code="123456", recovery_code="abcd-efgh-jkmn", passkey={"id": "canary"})
    assert repr(proof) == "Proof()"
    assert app.secret not in repr(vault.people.factors.begin_totp(with_code(vault, "ada", app)))


# -- A key that has leaked --


def forge(vault: Services, leaked: Key, purpose: str, facts: ChallengeFacts) -> str:
    """Store a challenge as somebody with an old system key and write access to the database can. Returns its id."""
    challenge_id, expires_us = str(uuid.uuid4()), vault.clock() + LIFE_SECONDS * SECOND_US
    place = context.system_secret(vault.instance.id, f"challenge {purpose}", challenge_id)
    blob = seal(leaked, place, json.dumps(asdict(replace(facts, expires_us=expires_us))).encode())
    write(
        vault,
        lambda unit: unit.challenges.add(
            id=challenge_id,
            purpose=purpose,
            user_id=facts.user_id,
            user_key_id=leaked.id,
            blob=blob,
            address=None,
            attempts_left=ATTEMPTS,
            expires_us=expires_us,
        ),
    )
    return challenge_id


def test_the_thief_of_a_system_key_forges_no_password_after_a_reseal(vault: Services, ada: Principal, app: App) -> None:
    leaked = vault.instance.own_keys.system_key
    with vault.storage.read() as unit:
        before = unit.users.by_id(ada.user_id)
    assert before is not None
    facts = ChallengeFacts("web", ada.user_id, before.row_version, has_password=True)
    # The secret of the app was under the same key, so the thief has it too.
    vault.people.logins.complete(forge(vault, leaked, "login", facts), Proof(code=app.code(vault)), WEB)
    assert vault.keys.reseal.run(HOST)
    assert vault.instance.has_system_key(leaked.id)
    with vault.storage.read() as unit:
        after = unit.users.by_id(ada.user_id)
    assert after is not None
    facts = replace(facts, user_version=after.row_version)
    refused(vault, forge(vault, leaked, "login", facts), Proof(recovery_code=app.recovery_codes[0]))
    vault.people.logins.complete(asked(vault, "ada").id, Proof(recovery_code=app.recovery_codes[0]), WEB)
