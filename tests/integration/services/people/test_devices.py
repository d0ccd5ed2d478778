"""Browsers and sessions that vouch for a person: strangers at the same address do not lock the person out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.factors import API, WEB, App, add_passkey, add_totp, asked, fresh, with_code
from tests.support.vaults import (
    ADDRESS,
    HOST,
    PASSWORD,
    FakeClock,
    as_session,
    change_password,
    log_in,
    run_sql,
    write,
)
from vault.crypto import Key, keyed_digest
from vault.errors import BadLogin, BadSecondFactor, TooManyRequests
from vault.model.clock import SECOND_US
from vault.model.principal import Principal, Role
from vault.services import Services
from vault.services.people.devices import DEVICE_LIFE_US
from vault.services.people.factors import Challenge
from vault.services.people.logins import Proof
from vault.services.people.sessions import NewSession
from vault.services.people.throttle import (
    ACCOUNT_FAILURES,
    DAILY_FACTOR_FAILURES,
    PAIR_FAILURES,
    VOUCHED_FAILURES,
    VOUCHED_MOST,
    WINDOW_US,
)
from vault.services.people.visit import Visit

NEW_PASSWORD = "velvet anchor sixteen plums"
WINDOW_SECONDS = WINDOW_US // 1_000_000


@pytest.fixture
def cookie(vault: Services, ada: Principal) -> str:
    """The cookie of Ada's browser."""
    return log_in(vault, "ada", "web").device


def browser(device: str, address: str = ADDRESS) -> Visit:
    return Visit("web", address, "test", "request", device)


def stranger_guesses(vault: Services, address: str = ADDRESS) -> None:
    """Somebody at this address tries so many passwords for Ada that the address is refused."""
    for _ in range(PAIR_FAILURES):
        with vault.storage.write() as unit:
            vault.people.accounts._throttle.admit(unit, "ada", address, None)
    with pytest.raises(TooManyRequests):
        vault.people.logins.begin("ada", PASSWORD, browser("", address))


def vouches(vault: Services, device: str) -> bool:
    """Whether Ada gets in with this cookie, after a stranger at her address has used up its tries."""
    try:
        vault.people.logins.begin("ada", PASSWORD, browser(device))
    except TooManyRequests:
        return False
    return True


def test_eleven_wrong_passwords_by_a_stranger_at_the_same_address(vault: Services, cookie: str) -> None:
    stranger_guesses(vault)
    begun = vault.people.logins.begin("ada", PASSWORD, browser(cookie))
    assert isinstance(begun, NewSession)
    # Her success does not give the stranger new tries.
    with pytest.raises(TooManyRequests):
        vault.people.logins.begin("ada", PASSWORD, browser(""))
    assert vouches(vault, begun.device)


def test_eleven_wrong_passwords_in_her_own_browser_slow_it(vault: Services, cookie: str, clock: FakeClock) -> None:
    waited = []
    for _ in range(11):
        try:
            with pytest.raises(BadLogin):
                vault.people.logins.begin("ada", "wrong password!", browser(cookie))
        except TooManyRequests as error:
            waited.append(error.retry_after_seconds)
            clock.advance(error.retry_after_seconds)
            with pytest.raises(BadLogin):
                vault.people.logins.begin("ada", "wrong password!", browser(cookie))
    assert waited == [1, 2, 4, 8, 16, 30]
    with pytest.raises(TooManyRequests) as caught:
        vault.people.logins.begin("ada", PASSWORD, browser(cookie))
    assert caught.value.retry_after_seconds == 30
    clock.advance(30)
    assert isinstance(vault.people.logins.begin("ada", PASSWORD, browser(cookie)), NewSession)
    # A success clears the browser's counter.
    with pytest.raises(BadLogin):
        vault.people.logins.begin("ada", "wrong password!", browser(cookie))


def test_who_has_stolen_a_cookie_has_twenty_guesses_and_then_those_of_the_address(
    vault: Services, cookie: str, clock: FakeClock
) -> None:
    assert isinstance(vault.people.logins.begin("ada", PASSWORD, browser(cookie)), NewSession)

    def guess() -> None:
        with vault.storage.write() as unit:
            user = unit.users.by_name("ada")
            assert user is not None
            voucher = vault.people.accounts._devices.voucher(user.id, user.row_version, cookie, "")
            vault.people.accounts._throttle.admit(unit, "ada", ADDRESS, user.id, voucher)

    for number in range(VOUCHED_MOST):
        clock.advance(30 if number >= VOUCHED_FAILURES else 0)
        guess()
    for _ in range(PAIR_FAILURES):
        guess()
    with pytest.raises(TooManyRequests) as caught:
        guess()
    assert caught.value.retry_after_seconds > 60
    clock.advance(WINDOW_SECONDS)
    guess()


def test_a_cookie_vouches_for_nobody_else(vault: Services, ada: Principal, bob: Principal) -> None:
    stranger_guesses(vault)
    assert not vouches(vault, log_in(vault, "bob", "web").device)


@pytest.mark.parametrize(
    "change",
    [
        lambda cookie: cookie[:0],
        lambda cookie: cookie * 50,
        lambda cookie: cookie + "0",
        lambda cookie: cookie[:-1] + ("0" if cookie[-1] != "0" else "1"),
        lambda cookie: ("A" if cookie[0] != "A" else "B") + cookie[1:],
        lambda cookie: cookie.replace(".1", ".2", 1),
        lambda cookie: cookie.upper(),
        lambda cookie: cookie.replace(".", ".\u0661", 1),
    ],
)
def test_a_changed_cookie_is_none(vault: Services, cookie: str, change: Callable[[str], str]) -> None:
    stranger_guesses(vault)
    assert change(cookie) != cookie
    assert not vouches(vault, change(cookie))
    assert vouches(vault, cookie)


@pytest.mark.parametrize("seconds", [DEVICE_LIFE_US // 1_000_000 + 1, -3600])
def test_a_cookie_that_is_too_old_or_of_the_future_is_none(
    vault: Services, cookie: str, clock: FakeClock, seconds: int
) -> None:
    clock.advance(seconds)
    stranger_guesses(vault)
    assert not vouches(vault, cookie)


def end_own_sessions(vault: Services) -> None:
    principal = fresh(vault, "ada")
    write(vault, lambda unit: vault.people.ending.own(unit, principal))


@pytest.mark.parametrize(
    "act",
    [
        lambda vault: change_password(vault, fresh(vault, "ada"), PASSWORD, NEW_PASSWORD),
        lambda vault: write(vault, lambda unit: vault.people.accounts.set_password(unit, HOST, "ada", NEW_PASSWORD)),
        end_own_sessions,
        lambda vault: write(vault, lambda unit: vault.people.ending.of_person(unit, HOST, "ada")),
        lambda vault: write(vault, lambda unit: vault.people.accounts.set_role(unit, HOST, "ada", Role.OPERATOR)),
        lambda vault: add_totp(vault, "ada"),
    ],
    ids=["own-password", "operators-password", "end-own", "end-by-operator", "role", "first-factor"],
)
def test_what_a_person_does_about_a_thief_makes_older_cookies_void(
    vault: Services, cookie: str, act: Callable[[Services], object]
) -> None:
    act(vault)
    stranger_guesses(vault)
    assert not vouches(vault, cookie)


def test_ending_the_other_sessions_makes_cookies_void_and_logging_out_does_not(vault: Services, cookie: str) -> None:
    begun = log_in(vault, "ada", "web")
    principal = as_session(vault, begun.secret, "web")
    write(vault, lambda unit: vault.people.sessions.revoke(unit, principal, principal.id))
    stranger_guesses(vault)
    assert vouches(vault, cookie)
    principal = fresh(vault, "ada")
    write(vault, lambda unit: vault.people.ending.others(unit, principal))
    assert not vouches(vault, cookie)
    as_session(vault, log_in(vault, "ada").secret)


def test_a_login_that_began_before_all_sessions_were_ended_does_not_end_well(vault: Services, ada: Principal) -> None:
    app = add_totp(vault, "ada")
    required = asked(vault, "ada")
    write(vault, lambda unit: vault.people.ending.of_person(unit, HOST, "ada"))
    with pytest.raises(BadSecondFactor):
        vault.people.logins.complete(required.id, Proof(recovery_code=app.recovery_codes[0]), WEB)


def test_only_browsers_get_a_cookie_and_each_login_another(vault: Services, cookie: str) -> None:
    assert log_in(vault, "ada", "api").device == ""
    assert cookie
    assert cookie != log_in(vault, "ada", "web").device
    assert "ada" not in cookie


# -- Second factors --


@pytest.fixture
def app(vault: Services, ada: Principal, clock: FakeClock) -> App:
    made = add_totp(vault, "ada")
    clock.advance(30)
    return made


def factor_guess(vault: Services, user_id: str, address: str, voucher: str = "") -> None:
    """One wrong code, without the password before it."""
    with vault.storage.write() as unit:
        vault.people.logins._throttle.admit_factor(unit, user_id, address, voucher)


def test_a_cookie_or_a_passkey_passes_a_thief_of_the_password_at_the_same_address(
    vault: Services, ada: Principal, app: App, clock: FakeClock
) -> None:
    device = add_passkey(vault, "ada", with_code(vault, "ada", app))
    clock.advance(30)
    required = asked(vault, "ada")
    begun = vault.people.logins.complete(required.id, Proof(code=app.code(vault)), WEB)
    for _ in range(PAIR_FAILURES):
        factor_guess(vault, ada.user_id, ADDRESS)
    clock.advance(30)
    with pytest.raises(TooManyRequests):
        vault.people.logins.complete(asked(vault, "ada").id, Proof(code=app.code(vault)), WEB)
    with_cookie = browser(begun.device)
    vault.people.logins.complete(asked(vault, "ada", with_cookie).id, Proof(code=app.code(vault)), with_cookie)
    required = asked(vault, "ada")
    assert required.passkey is not None
    vault.people.logins.complete(required.id, Proof(passkey=device.get(required.passkey)), WEB)


def test_a_passkey_alone_asks_no_counter_and_makes_the_address_the_owners(
    vault: Services, ada: Principal, app: App
) -> None:
    device = add_passkey(vault, "ada", with_code(vault, "ada", app))
    stranger_guesses(vault, "198.51.100.7")
    there = Visit("web", "198.51.100.7")
    count = run_sql(vault, "SELECT count(*) AS n FROM known_addresses")[0].n
    required = vault.people.logins.begin_passkey(there)
    assert required.passkey is not None
    begun = vault.people.logins.complete(required.id, Proof(passkey=device.get(required.passkey)), there)
    assert begun.device
    assert run_sql(vault, "SELECT count(*) AS n FROM known_addresses")[0].n == count + 1


@pytest.mark.parametrize("place", ["known address", "cookie", "session"])
def test_who_knows_the_password_has_a_hundred_guesses_in_a_day_at_the_owners_place(
    vault: Services, ada: Principal, app: App, clock: FakeClock, place: str
) -> None:
    with_code(vault, "ada", app)
    voucher = "" if place == "known address" else f"{place} x"
    for number in range(DAILY_FACTOR_FAILURES):
        if number % PAIR_FAILURES == 0:
            clock.advance(WINDOW_SECONDS)
        clock.advance(30 if voucher else 0)
        factor_guess(vault, ada.user_id, ADDRESS, voucher)
    clock.advance(WINDOW_SECONDS)
    if voucher:
        # What vouches has no more guesses. The address still has its own.
        for _ in range(PAIR_FAILURES):
            factor_guess(vault, ada.user_id, ADDRESS, voucher)
    with pytest.raises(TooManyRequests) as caught:
        factor_guess(vault, ada.user_id, ADDRESS, voucher)
    if not voucher:
        assert caught.value.retry_after_seconds > 3600
        # Guesses there do not refuse the owner's browser, nor other addresses.
        factor_guess(vault, ada.user_id, ADDRESS, "device y")
        factor_guess(vault, ada.user_id, "203.0.113.9")


# -- A session that asks for a proof --


def test_a_session_vouches_when_it_asks_for_the_password(vault: Services, ada: Principal) -> None:
    stranger_guesses(vault)
    begun = vault.people.logins.step_up(fresh(vault, "ada"), PASSWORD, API)
    assert isinstance(begun, NewSession)
    change_password(vault, fresh(vault, "ada"), PASSWORD, NEW_PASSWORD)


def test_a_session_vouches_for_its_second_factor_and_has_few_guesses(
    vault: Services, ada: Principal, app: App, clock: FakeClock
) -> None:
    principal = with_code(vault, "ada", app)
    for _ in range(PAIR_FAILURES):
        factor_guess(vault, ada.user_id, ADDRESS)
    clock.advance(30)
    stolen = fresh(vault, "ada")
    for _ in range(VOUCHED_FAILURES):
        required = vault.people.logins.step_up(stolen, PASSWORD, API)
        assert isinstance(required, Challenge)
        with pytest.raises(BadSecondFactor):
            vault.people.logins.complete_step_up(stolen, required.id, Proof(code="000000"), API)
    required = vault.people.logins.step_up(stolen, PASSWORD, API)
    assert isinstance(required, Challenge)
    with pytest.raises(TooManyRequests):
        vault.people.logins.complete_step_up(stolen, required.id, Proof(code=app.code(vault)), API)
    required = vault.people.logins.step_up(principal, PASSWORD, WEB)
    assert isinstance(required, Challenge)
    vault.people.logins.complete_step_up(principal, required.id, Proof(code=app.code(vault)), WEB)


# -- A key that has leaked --


def forged(vault: Services, leaked: Key, person_id: str, device_id: str) -> str:
    """A cookie that somebody makes with a key and a copy of the database."""
    with vault.storage.read() as unit:
        user = unit.users.by_id(person_id)
    assert user is not None
    parts = (device_id, str(vault.clock() // SECOND_US))
    digest = keyed_digest(leaked, "device cookie", user.id, str(user.row_version), *parts)
    return f"{'.'.join(parts)}.{digest.hex()}"


def test_the_thief_of_a_key_makes_no_cookies_after_a_reseal(vault: Services, ada: Principal, clock: FakeClock) -> None:
    leaked = vault.instance.secret("digest")
    clock.advance(1)
    stranger_guesses(vault)
    assert vouches(vault, forged(vault, leaked, ada.user_id, "A" * 22))
    assert vault.keys.reseal.run(HOST)
    # The old key still finds wrapped answers for a while.
    assert leaked.id in [key.id for key in vault.instance.secrets_of("digest")]
    stranger_guesses(vault)
    assert not vouches(vault, forged(vault, leaked, ada.user_id, "A" * 22))
    begun = log_in(vault, "ada", "web", "198.51.100.7")
    assert vouches(vault, begun.device)


def test_many_forged_cookies_give_no_second_factor_to_guess(
    vault: Services, ada: Principal, app: App, clock: FakeClock
) -> None:
    leaked = vault.instance.secret("digest")
    assert vault.keys.reseal.run(HOST)
    for _ in range(PAIR_FAILURES):
        factor_guess(vault, ada.user_id, ADDRESS)
    for letter in "ABC":
        visit = browser(forged(vault, leaked, ada.user_id, letter * 22))
        required = asked(vault, "ada", visit)
        with pytest.raises(TooManyRequests):
            vault.people.logins.complete(required.id, Proof(code="000000"), visit)


# -- Addresses that are none --


@pytest.mark.parametrize("address", ["unknown", "", "203.0.113.5:4711", "localhost"])
def test_what_is_no_address_is_never_the_owners(vault: Services, ada: Principal, address: str) -> None:
    before = run_sql(vault, "SELECT count(*) AS n FROM known_addresses")[0].n
    vault.people.logins.begin("ada", PASSWORD, browser("", address))
    assert run_sql(vault, "SELECT count(*) AS n FROM known_addresses")[0].n == before

    def guess(place: str) -> None:
        with vault.storage.write() as unit:
            vault.people.accounts._throttle.admit(unit, "ada", place, ada.user_id)

    # A release before 0.3.0 may have remembered it.
    digest = vault.people.accounts._throttle._address(address)
    write(vault, lambda unit: unit.known_addresses.note(ada.user_id, digest, vault.clock()))
    for number in range(ACCOUNT_FAILURES):
        guess(f"203.0.113.{number}")
    with pytest.raises(TooManyRequests):
        guess(address)
