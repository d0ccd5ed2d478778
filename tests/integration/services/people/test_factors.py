"""One's second factors: added and removed with recent proof, recovery codes with them, and the operator's remedy."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest

from tests.support.authenticator import Authenticator
from tests.support.factors import API, WEB, App, add_passkey, add_totp, asked, fresh, sessions_of, with_code
from tests.support.vaults import (
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
from vault.errors import BadSecondFactor, Conflict, Forbidden, InvalidInput, NotAuthenticated, NotFound, StepUpRequired
from vault.model.principal import Principal
from vault.observe import metrics
from vault.services import Services
from vault.services.doctor import Sweep
from vault.services.people.factors.challenges import ENROLMENT_LIFE_SECONDS
from vault.services.people.factors.enrolment import FACTORS_MOST
from vault.services.people.logins import Proof


def test_the_first_factor_comes_with_ten_recovery_codes_and_ends_other_sessions(
    vault: Services, ada: Principal
) -> None:
    other, principal = log_in(vault, "ada"), fresh(vault, "ada")
    app = add_totp(vault, "ada", by=principal)
    assert len(set(app.recovery_codes)) == 10
    found = vault.people.factors.list(principal)
    assert ([item.kind for item in found.items], found.recovery_codes_left, found.required) == (["totp"], 10, True)
    with pytest.raises(NotAuthenticated):
        as_session(vault, other.secret)
    assert sessions_of(vault, ada) == 1


def test_the_second_factor_comes_with_none_and_ends_nothing(vault: Services, ada: Principal, clock: FakeClock) -> None:
    app = add_totp(vault, "ada")
    clock.advance(30)
    principal = with_code(vault, "ada", app)
    add_passkey(vault, "ada", by=principal)
    assert vault.people.factors.list(principal).recovery_codes_left == 10
    assert sessions_of(vault, ada) == 2


def test_the_first_factor_ends_what_was_begun_with_a_password_alone(vault: Services, ada: Principal) -> None:
    principal, device = fresh(vault, "ada"), Authenticator()
    # Somebody else has a copy of this very session's cookie, and begins as well.
    stolen = vault.people.factors.begin_passkey(principal)
    add_totp(vault, "ada", by=principal)
    with pytest.raises(NotFound):
        vault.people.factors.confirm_passkey(principal, stolen.id, device.create(stolen.options))
    assert [item.kind for item in vault.people.factors.list(principal).items] == ["totp"]


def test_a_factor_has_the_name_that_it_was_given(vault: Services, ada: Principal, clock: FakeClock) -> None:
    principal = fresh(vault, "ada")
    begun = vault.people.factors.begin_totp(principal)
    code = App("", begun.secret).code(vault)
    for name in ("x" * 65, "a\nb", "\0"):
        with pytest.raises(InvalidInput) as caught:
            vault.people.factors.confirm_totp(principal, begun.id, code, name)
        assert caught.value.path == "name"
    added = vault.people.factors.confirm_totp(principal, begun.id, code, "  Ada's phone ")
    assert added.factor.name == "Ada's phone"
    assert [item.name for item in vault.people.factors.list(principal).items] == ["Ada's phone"]


def test_an_app_is_added_with_a_code_that_fits(vault: Services, ada: Principal, clock: FakeClock) -> None:
    principal = fresh(vault, "ada")
    begun = vault.people.factors.begin_totp(principal)
    assert begun.uri.startswith("otpauth://totp/Strongroom:ada?secret=")
    with pytest.raises(InvalidInput) as caught:
        vault.people.factors.confirm_totp(principal, begun.id, "000000")
    assert caught.value.path == "code"
    assert vault.people.factors.pending_totp(principal, begun.id) == begun
    assert vault.people.factors.list(principal).required is False
    clock.advance(ENROLMENT_LIFE_SECONDS)
    with pytest.raises(NotFound):
        vault.people.factors.pending_totp(principal, begun.id)


def test_an_enrolment_is_nobody_elses(vault: Services, ada: Principal, bob: Principal) -> None:
    begun = vault.people.factors.begin_totp(fresh(vault, "ada"))
    for other in (fresh(vault, "ada"), fresh(vault, "bob")):
        with pytest.raises(NotFound):
            vault.people.factors.pending_totp(other, begun.id)
        with pytest.raises(NotFound):
            vault.people.factors.confirm_totp(other, begun.id, "123456")


def test_an_enrolment_is_no_login(vault: Services, ada: Principal) -> None:
    begun = vault.people.factors.begin_totp(fresh(vault, "ada"))
    with pytest.raises(BadSecondFactor):
        vault.people.logins.complete(begun.id, Proof(code="123456"), WEB)


def test_factors_are_changed_with_a_recent_proof_only(vault: Services, ada: Principal, clock: FakeClock) -> None:
    old = fresh(vault, "ada")
    clock.advance(301)
    for attempt in (
        lambda: vault.people.factors.begin_totp(old),
        lambda: vault.people.factors.begin_passkey(old),
        lambda: vault.people.factors.remove(old, "x"),
        lambda: vault.people.factors.new_recovery_codes(old),
    ):
        with pytest.raises(StepUpRequired):
            attempt()


def test_a_copy_of_the_session_that_does_not_know_the_factor_yet_is_not_enough(vault: Services, ada: Principal) -> None:
    # As Redis may hold it for half a minute after the factor was added.
    stale = fresh(vault, "ada")
    add_totp(vault, "ada", by=stale)
    assert stale.has_second_factor is False
    for attempt in (
        lambda: vault.people.factors.begin_totp(stale),
        lambda: vault.people.factors.new_recovery_codes(stale),
        lambda: change_password(vault, stale, PASSWORD, "velvet anchor sixteen plums"),
        lambda: erase_oneself(vault, stale, PASSWORD),
    ):
        with pytest.raises(StepUpRequired):
            attempt()


def test_the_last_factor_takes_the_recovery_codes_and_the_question_with_it(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    app = add_totp(vault, "ada")
    clock.advance(30)
    principal = with_code(vault, "ada", app)
    add_passkey(vault, "ada", by=principal)
    passkey = vault.people.factors.list(principal).items[1]
    vault.people.factors.remove(principal, app.id)
    assert vault.people.factors.list(principal).required is True
    vault.people.factors.remove(principal, passkey.id)
    found = vault.people.factors.list(principal)
    assert (found.items, found.recovery_codes_left, found.required) == ((), 0, False)
    vault.people.logins.begin("ada", PASSWORD, WEB)
    with pytest.raises(Conflict):
        vault.people.factors.new_recovery_codes(fresh(vault, "ada"))


def test_nobody_removes_anothers_factor_nor_a_password(vault: Services, ada: Principal, bob: Principal) -> None:
    app = add_totp(vault, "ada")
    bobs = fresh(vault, "bob")
    with vault.storage.read() as unit:
        others = [row.id for kind in ("password", "recovery") for row in unit.credentials.of_user(ada.user_id, kind)]
        own_password = unit.credentials.of_user(bob.user_id, "password")[0].id
    for factor_id in (app.id, *others, own_password, "", "\0"):
        with pytest.raises(NotFound):
            vault.people.factors.remove(bobs, factor_id)


def test_an_account_has_at_most_so_many(vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    principal = fresh(vault, "ada")
    with vault.storage.read() as unit:
        row = unit.users.by_id(ada.user_id)
    monkeypatch.setattr("vault.services.people.factors.enrolment.factors_of", lambda *_: [row] * FACTORS_MOST)
    for begin in (vault.people.factors.begin_totp, vault.people.factors.begin_passkey):
        with pytest.raises(Conflict):
            begin(principal)


# -- Codes of an app --


def test_a_code_is_good_once_and_one_step_to_either_side(vault: Services, ada: Principal, clock: FakeClock) -> None:
    app = add_totp(vault, "ada")
    clock.advance(300)
    too_late, before, now = app.code(vault, steps=-2), app.code(vault, steps=-1), app.code(vault)
    after, too_early = app.code(vault, steps=1), app.code(vault, steps=2)

    def taken(code: str) -> bool:
        try:
            vault.people.logins.complete(asked(vault, "ada").id, Proof(code=code), WEB)
        except BadSecondFactor:
            return False
        return True

    assert [taken(code) for code in (too_late, too_early)] == [False, False]
    # A code before the last one that was taken is used up too.
    assert [taken(code) for code in (now, now, before, after, after, now)] == [True, False, False, True, False, False]


def test_the_code_that_adds_an_app_does_not_log_in_as_well(vault: Services, ada: Principal) -> None:
    app = add_totp(vault, "ada")
    with pytest.raises(BadSecondFactor):
        with_code(vault, "ada", app)


@pytest.mark.parametrize("spelling", ["{0} {1}", " {0}{1} ", "{0}  {1}"])
def test_a_code_is_taken_as_apps_show_it_and_no_spelling_makes_it_new(
    vault: Services, ada: Principal, clock: FakeClock, spelling: str
) -> None:
    app = add_totp(vault, "ada")
    clock.advance(30)
    code = app.code(vault)
    written = spelling.format(code[:3], code[3:])
    vault.people.logins.complete(asked(vault, "ada").id, Proof(code=written), WEB)
    for again in (code, written, code + " "):
        with pytest.raises(BadSecondFactor):
            vault.people.logins.complete(asked(vault, "ada").id, Proof(code=again), WEB)


def test_digits_of_other_scripts_are_no_code(vault: Services, ada: Principal, clock: FakeClock) -> None:
    app = add_totp(vault, "ada")
    clock.advance(30)
    wide = "".join(chr(ord(digit) - ord("0") + 0xFF10) for digit in app.code(vault))
    for code in (wide, app.code(vault) + "\n"):
        with pytest.raises(InvalidInput, match="digits only"):
            vault.people.logins.complete(asked(vault, "ada").id, Proof(code=code), WEB)
    for code in ("0" + app.code(vault), app.code(vault)[:5]):
        with pytest.raises(BadSecondFactor):
            vault.people.logins.complete(asked(vault, "ada").id, Proof(code=code), WEB)


def test_either_of_two_apps_will_do(vault: Services, ada: Principal, clock: FakeClock) -> None:
    first = add_totp(vault, "ada")
    clock.advance(30)
    second = add_totp(vault, "ada", by=with_code(vault, "ada", first))
    clock.advance(30)
    with_code(vault, "ada", first)
    with_code(vault, "ada", second)


# -- Recovery codes --


def recover(vault: Services, code: str) -> int | None:
    begun = vault.people.logins.complete(asked(vault, "ada").id, Proof(recovery_code=code), WEB)
    return begun.recovery_codes_left


def test_a_recovery_code_logs_in_once_and_says_how_many_are_left(vault: Services, ada: Principal) -> None:
    app = add_totp(vault, "ada")
    assert recover(vault, app.recovery_codes[0]) == 9
    with pytest.raises(BadSecondFactor):
        recover(vault, app.recovery_codes[0])
    assert recover(vault, app.recovery_codes[1]) == 8


def test_a_recovery_code_may_be_typed_as_it_is_read(vault: Services, ada: Principal) -> None:
    app = add_totp(vault, "ada")
    code = app.recovery_codes[0].upper().replace("-", " ").replace("0", "O").replace("1", "l")
    assert recover(vault, f" {code} ") == 9
    with pytest.raises(BadSecondFactor):
        recover(vault, app.recovery_codes[0])


def test_with_a_recovery_code_one_gets_back_to_ones_factors(vault: Services, ada: Principal) -> None:
    app = add_totp(vault, "ada")
    begun = vault.people.logins.complete(asked(vault, "ada").id, Proof(recovery_code=app.recovery_codes[0]), WEB)
    principal = as_session(vault, begun.secret, "web")
    assert principal.factors == ("password", "recovery")
    vault.people.factors.remove(principal, app.id)
    assert vault.people.factors.list(principal).required is False


def test_new_recovery_codes_end_the_old_ones(vault: Services, ada: Principal, clock: FakeClock) -> None:
    app = add_totp(vault, "ada")
    clock.advance(30)
    new = vault.people.factors.new_recovery_codes(with_code(vault, "ada", app))
    assert len(set(new) | set(app.recovery_codes)) == 20
    with pytest.raises(BadSecondFactor):
        recover(vault, app.recovery_codes[0])
    assert recover(vault, new[0]) == 9


def test_without_any_left_they_are_not_offered(vault: Services, ada: Principal) -> None:
    app = add_totp(vault, "ada")
    for code in app.recovery_codes:
        recover(vault, code)
    assert asked(vault, "ada").kinds == ("totp",)


# -- The operator --


def test_an_operator_takes_lost_factors_off_an_account(vault: Services, ada: Principal, clock: FakeClock) -> None:
    app = add_totp(vault, "ada")
    clock.advance(30)
    with_code(vault, "ada", app)
    required = asked(vault, "ada", API)
    with pytest.raises(Forbidden):
        write(vault, lambda unit: vault.people.factors.reset(unit, ada, "ada"))
    write(vault, lambda unit: vault.people.factors.reset(unit, HOST, " ADA "))
    assert sessions_of(vault, ada) == 0
    with pytest.raises(BadSecondFactor):
        vault.people.logins.complete(required.id, Proof(code=app.code(vault)), API)
    vault.people.logins.begin("ada", PASSWORD, WEB)
    with pytest.raises(NotFound):
        write(vault, lambda unit: vault.people.factors.reset(unit, HOST, "nobody"))


# -- In the database --


def test_a_factor_whose_seal_was_broken_is_named_by_the_sweep(vault: Services, ada: Principal) -> None:
    app = add_totp(vault, "ada")
    sweep = Sweep(vault.storage, vault.instance)
    assert sweep.blobs().faults == []
    run_sql(
        vault,
        "UPDATE credentials SET blob = (SELECT blob FROM credentials WHERE kind = 'recovery') WHERE id = :id",
        id=app.id,
    )
    assert sweep.blobs().faults == [f"The totp of user {ada.user_id} cannot be opened."]


def test_logins_are_counted_by_their_outcome(vault: Services, ada: Principal) -> None:
    def counted(outcome: str) -> float:
        return metrics().registry.get_sample_value("strongroom_logins_total", {"outcome": outcome}) or 0.0

    app, outcomes = add_totp(vault, "ada"), ("ok", "refused", "second_factor")
    before = [counted(outcome) for outcome in outcomes]
    for code in ("nonsense", app.recovery_codes[0]):
        with suppress(BadSecondFactor):
            recover(vault, code)
    assert [counted(outcome) for outcome in outcomes] == [
        count + added for count, added in zip(before, (1, 1, 2), strict=True)
    ]


def test_a_recovery_code_has_112_bits_or_more(vault: Services, ada: Principal) -> None:
    for code in add_totp(vault, "ada").recovery_codes:
        characters = code.replace("-", "")
        assert re.fullmatch("[0-9a-hjkmnp-tv-z]+", characters)
        assert 5 * len(characters) >= 112


def test_codes_of_before_still_work(vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    """They had three groups, for 60 bits."""
    monkeypatch.setattr("vault.services.people.factors.recovery._GROUPS", 3)
    old = add_totp(vault, "ada").recovery_codes
    monkeypatch.undo()
    assert {len(code) for code in old} == {14}
    assert [recover(vault, code) for code in old[:2]] == [9, 8]
    with pytest.raises(BadSecondFactor):
        recover(vault, old[0])
