"""Passkeys: signed by the right device, for this vault, for this challenge, once."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from tests.support.authenticator import Authenticator, decoded, encoded
from tests.support.factors import API, WEB, add_passkey, add_totp, asked, fresh, sessions_of
from tests.support.vaults import HOST, FakeClock, add_token, as_session, as_token, grant, run_sql, write
from vault.app import open_vault
from vault.crypto import context
from vault.errors import (
    BadSecondFactor,
    Conflict,
    Forbidden,
    InvalidInput,
    MacError,
    NotFound,
    StrongroomError,
)
from vault.model.principal import Principal
from vault.services import Services
from vault.services.people.factors.challenges import ENROLMENT_LIFE_SECONDS, FROM_ADDRESS_MOST
from vault.services.people.logins import Proof
from vault.services.people.visit import Visit


@pytest.fixture
def clock() -> FakeClock:
    """A clock that moves with each look, so that events have an order."""
    return FakeClock(tick_us=1)


@pytest.fixture
def device(vault: Services, ada: Principal) -> Authenticator:
    """Ada's passkey."""
    return add_passkey(vault, "ada")


def sign_in(vault: Services, device: Authenticator, **wrong: Any) -> Principal:
    challenge = vault.people.logins.begin_passkey(WEB)
    assert challenge.passkey is not None
    begun = vault.people.logins.complete(challenge.id, Proof(passkey=device.get(challenge.passkey, **wrong)), WEB)
    return as_session(vault, begun.secret, "web")


def second(vault: Services, device: Authenticator, **wrong: Any) -> Principal:
    required = asked(vault, "ada")
    assert required.passkey is not None
    assertion = device.get(required.passkey, **wrong)
    begun = vault.people.logins.complete(required.id, Proof(passkey=assertion), WEB)
    return as_session(vault, begun.secret, "web")


def test_a_passkey_is_a_second_factor(vault: Services, device: Authenticator) -> None:
    required = asked(vault, "ada")
    assert required.kinds == ("passkey", "recovery")
    assert required.passkey is not None
    assert [decoded(item["id"]) for item in required.passkey["allowCredentials"]] == [device.id]
    assert second(vault, device).factors == ("password", "passkey")


def test_as_a_second_factor_a_device_without_a_pin_will_do(vault: Services, device: Authenticator) -> None:
    assert second(vault, device, verified=False).factors == ("password", "passkey")


def test_a_passkey_signs_in_alone_and_says_whose_it_is(vault: Services, ada: Principal, device: Authenticator) -> None:
    challenge = vault.people.logins.begin_passkey(WEB)
    assert challenge.passkey is not None
    # It asks for nobody, so it tells nobody's passkeys.
    assert (challenge.passkey["allowCredentials"], challenge.passkey["userVerification"]) == ([], "required")
    principal = sign_in(vault, device)
    assert (principal.user_id, principal.factors) == (ada.user_id, ("passkey",))
    principal.require_recent_proof(vault.clock())


WRONG: dict[str, dict[str, Any]] = {
    "not verified": {"verified": False},
    "another origin": {"origin": "https://localhost.example"},
    "the origin in plain text": {"origin": "http://localhost:8443"},
    "another port": {"origin": "https://localhost:9443"},
    "another vault": {"rp_id": "vault.example"},
    "a foreign frame": {"cross_origin": True},
    "an answer to a registration": {"type": "webauthn.create"},
    "another challenge": {"challenge": encoded(b"0" * 32)},
    "a wrong signature": {"signature": b"0" * 70},
    "no signature": {"signature": b""},
    "another's handle": {"user_handle": b"0" * 16},
    "no handle": {"user_handle": b""},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_is_not_right_signs_nobody_in(
    vault: Services, ada: Principal, device: Authenticator, wrong: dict[str, Any]
) -> None:
    before = sessions_of(vault, ada)
    with pytest.raises(BadSecondFactor) as caught:
        sign_in(vault, device, **wrong)
    assert str(caught.value) == BadSecondFactor.sentence
    assert sessions_of(vault, ada) == before
    (last,) = run_sql(vault, "SELECT user_id, action FROM audit_events ORDER BY at_us DESC LIMIT 1")
    assert (last.user_id, last.action) == (ada.user_id, "factor.refused")


@pytest.mark.parametrize("name", [name for name in WRONG if name not in ("not verified", "no handle")])
def test_nor_does_it_complete_a_login(vault: Services, device: Authenticator, name: str) -> None:
    with pytest.raises(BadSecondFactor):
        second(vault, device, **WRONG[name])


def test_a_counter_that_goes_back_is_a_copy_of_the_device(vault: Services, device: Authenticator) -> None:
    sign_in(vault, device)
    device.counter -= 1
    with pytest.raises(BadSecondFactor):
        sign_in(vault, device)
    device.counter = -1 + 0x7FFFFFFF
    sign_in(vault, device)


def test_a_counter_that_stays_zero_is_taken(vault: Services, ada: Principal) -> None:
    principal, device = fresh(vault, "ada"), Authenticator(counter=0)
    begun = vault.people.factors.begin_passkey(principal)
    vault.people.factors.confirm_passkey(principal, begun.id, device.create(begun.options))
    sign_in(vault, device)
    sign_in(vault, device)


def test_an_answer_is_taken_once(vault: Services, ada: Principal) -> None:
    principal, device = fresh(vault, "ada"), Authenticator(counter=0)
    begun = vault.people.factors.begin_passkey(principal)
    vault.people.factors.confirm_passkey(principal, begun.id, device.create(begun.options))
    challenge = vault.people.logins.begin_passkey(WEB)
    assert challenge.passkey is not None
    proof = Proof(passkey=device.get(challenge.passkey))
    vault.people.logins.complete(challenge.id, proof, WEB)
    for challenge_id in (challenge.id, vault.people.logins.begin_passkey(WEB).id):
        with pytest.raises(BadSecondFactor):
            vault.people.logins.complete(challenge_id, proof, WEB)


def test_a_sign_in_takes_nothing_but_a_passkey(vault: Services, ada: Principal, clock: FakeClock) -> None:
    app = add_totp(vault, "ada")
    clock.advance(30)
    for proof in (Proof(code=app.code(vault)), Proof(recovery_code=app.recovery_codes[0])):
        with pytest.raises(BadSecondFactor):
            vault.people.logins.complete(vault.people.logins.begin_passkey(WEB).id, proof, WEB)


def test_a_step_up_that_began_with_a_passkey_takes_nothing_but_a_passkey(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    app = add_totp(vault, "ada")
    clock.advance(30)
    stolen = fresh(vault, "ada")
    for proof in (Proof(code=app.code(vault)), Proof(recovery_code=app.recovery_codes[0])):
        challenge = vault.people.logins.begin_passkey_step_up(stolen, API)
        with pytest.raises(BadSecondFactor):
            vault.people.logins.complete_step_up(stolen, challenge.id, proof, API)


def test_a_disabled_account_does_not_sign_in(vault: Services, device: Authenticator) -> None:
    write(vault, lambda unit: vault.people.accounts.set_state(unit, HOST, "ada", active=False))
    with pytest.raises(BadSecondFactor):
        sign_in(vault, device)


def test_anothers_passkey_completes_nothing(vault: Services, device: Authenticator, bob: Principal) -> None:
    bobs = add_passkey(vault, "bob")
    required = asked(vault, "ada")
    assert required.passkey is not None
    with pytest.raises(BadSecondFactor):
        vault.people.logins.complete(required.id, Proof(passkey=bobs.get(required.passkey)), WEB)


@pytest.mark.parametrize("junk", [{"id": "x"}, {"id": 1}, {"id": "é"}, {"id": "a" * 100_000}, {"x": [[[]]]}])
def test_junk_is_refused_as_all_else(vault: Services, device: Authenticator, junk: dict[str, Any]) -> None:
    challenge = vault.people.logins.begin_passkey(WEB)
    with pytest.raises(BadSecondFactor):
        vault.people.logins.complete(challenge.id, Proof(passkey=junk), WEB)
    named = {**junk, "id": encoded(device.id), "rawId": encoded(device.id), "type": "public-key"}
    responses: list[Any] = [None, {}, {"clientDataJSON": "!", "authenticatorData": "!", "signature": "!"}, [], "x"]
    for response in responses:
        with pytest.raises(BadSecondFactor):
            vault.people.logins.complete(
                vault.people.logins.begin_passkey(WEB).id, Proof(passkey={**named, "response": response}), WEB
            )


def test_a_session_steps_up_with_a_passkey_alone(vault: Services, device: Authenticator, clock: FakeClock) -> None:
    principal = sign_in(vault, device)
    clock.advance(301)
    challenge = vault.people.logins.begin_passkey_step_up(principal, WEB)
    assert challenge.passkey is not None
    unverified = Proof(passkey=device.get(challenge.passkey, verified=False))
    with pytest.raises(BadSecondFactor):
        vault.people.logins.complete_step_up(principal, challenge.id, unverified, WEB)
    proof = Proof(passkey=device.get(challenge.passkey))
    begun = vault.people.logins.complete_step_up(principal, challenge.id, proof, WEB)
    as_session(vault, begun.secret, "web").require_recent_proof(clock())


# -- Making one --


def test_the_handle_is_no_name_and_the_options_come_from_the_settings(vault: Services, ada: Principal) -> None:
    options = vault.people.factors.begin_passkey(fresh(vault, "ada")).options
    assert json.loads(json.dumps(options)) == options
    assert options["rp"] == {"name": "Strongroom", "id": "localhost"}
    assert b"ada" not in decoded(options["user"]["id"])
    assert len(decoded(options["challenge"])) == 32
    assert options["attestation"] == "none"


def test_a_device_is_registered_once(vault: Services, device: Authenticator) -> None:
    principal = second(vault, device)
    begun = vault.people.factors.begin_passkey(principal)
    assert [decoded(item["id"]) for item in begun.options["excludeCredentials"]] == [device.id]
    with pytest.raises(Conflict):
        vault.people.factors.confirm_passkey(principal, begun.id, device.create(begun.options))


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://evil.example"},
        {"rp_id": "evil.example"},
        {"type": "webauthn.get"},
        {"challenge": encoded(b"0" * 32)},
        {"cross_origin": True},
    ],
)
def test_a_passkey_that_was_made_elsewhere_is_not_taken(vault: Services, ada: Principal, wrong: dict[str, Any]) -> None:
    principal = fresh(vault, "ada")
    begun = vault.people.factors.begin_passkey(principal)
    with pytest.raises(InvalidInput) as caught:
        vault.people.factors.confirm_passkey(principal, begun.id, Authenticator().create(begun.options, **wrong))
    assert caught.value.path == "passkey"
    assert vault.people.factors.list(principal).items == ()


@pytest.mark.parametrize("junk", [{}, {"id": "x"}, {"id": "eA", "rawId": "eA", "type": "public-key", "response": {}}])
def test_what_is_no_passkey_is_not_taken(vault: Services, ada: Principal, junk: dict[str, Any]) -> None:
    principal = fresh(vault, "ada")
    with pytest.raises(InvalidInput):
        vault.people.factors.confirm_passkey(principal, vault.people.factors.begin_passkey(principal).id, junk)


def test_an_enrolment_is_its_sessions_once_and_for_ten_minutes(
    vault: Services, ada: Principal, bob: Principal, clock: FakeClock
) -> None:
    principal = fresh(vault, "ada")
    begun = vault.people.factors.begin_passkey(principal)
    credential = Authenticator().create(begun.options)
    for other in (fresh(vault, "ada"), fresh(vault, "bob")):
        with pytest.raises(NotFound):
            vault.people.factors.confirm_passkey(other, begun.id, credential)
    vault.people.factors.confirm_passkey(principal, begun.id, credential)
    with pytest.raises(NotFound):
        vault.people.factors.confirm_passkey(principal, begun.id, Authenticator().create(begun.options))
    late = fresh(vault, "bob")
    begun = vault.people.factors.begin_passkey(late)
    clock.advance(ENROLMENT_LIFE_SECONDS)
    with pytest.raises(NotFound):
        vault.people.factors.confirm_passkey(late, begun.id, Authenticator().create(begun.options))


def test_a_vault_that_has_no_name_makes_no_passkeys(vault: Services, ada: Principal) -> None:
    with closing(open_vault(replace(vault.settings, public_url="https://192.0.2.1:8443"))) as nameless:
        with pytest.raises(Conflict, match="STRONGROOM_PUBLIC_URL"):
            nameless.people.factors.begin_passkey(fresh(nameless, "ada"))
        with pytest.raises(Conflict):
            nameless.people.logins.begin_passkey(WEB)


# -- In the database --


def test_a_passkey_that_was_moved_to_another_person_is_found_out(
    vault: Services, device: Authenticator, bob: Principal
) -> None:
    run_sql(vault, "UPDATE credentials SET user_id = :bob WHERE kind = 'passkey'", bob=bob.user_id)
    with pytest.raises(MacError):
        sign_in(vault, device)


def test_a_blob_of_anothers_does_not_open_even_under_a_mac(
    vault: Services, device: Authenticator, ada: Principal, bob: Principal
) -> None:
    # As if the row's MAC were worth nothing: its sealed half is bound to its person and its row.
    add_passkey(vault, "bob")
    with vault.storage.write() as unit:
        (adas,), (bobs,) = (unit.credentials.of_user(user, "passkey") for user in (ada.user_id, bob.user_id))
        unit.credentials.change(bobs, blob=adas.blob, user_key_id=adas.user_key_id)
    with pytest.raises(StrongroomError):
        vault.people.factors.begin_passkey(fresh(vault, "bob"))


def test_neither_secrets_nor_ids_lie_in_the_clear(vault: Services, ada: Principal) -> None:
    device = add_passkey(vault, "ada")
    app = add_totp(vault, "ada", by=second(vault, device))
    vault.people.factors.begin_totp(second(vault, device))
    dump = repr(run_sql(vault, "SELECT * FROM credentials")) + repr(run_sql(vault, "SELECT * FROM challenges"))
    for secret in (app.secret, encoded(device.id), repr(device.id)[2:-1], *app.recovery_codes):
        assert secret not in dump


def test_a_service_token_has_no_factors(vault: Services, ada: Principal) -> None:
    token = as_token(vault, add_token(vault, ada, grant("read", path="*")).secret)
    for attempt in (
        lambda: vault.people.factors.list(token),
        lambda: vault.people.factors.begin_passkey(token),
        lambda: vault.people.factors.begin_totp(token),
        lambda: vault.people.logins.begin_passkey_step_up(token, API),
        lambda: vault.people.factors.remove(token, "x"),
    ):
        with pytest.raises(Forbidden):
            attempt()


def test_a_system_secrets_place_is_not_a_challenges(vault: Services) -> None:
    places = {
        context.system_secret(vault.instance.id, purpose, "x")
        for purpose in ("challenge login", "challenge step-up", "totp", "passkey", "recovery", "password")
    }
    assert len(places) == 6


@pytest.mark.parametrize("address", ["192.0.2.10", "unknown"])
def test_a_stranger_at_the_same_address_refuses_no_passkey(
    vault: Services, ada: Principal, device: Authenticator, clock: FakeClock, address: str
) -> None:
    visit = Visit("web", address)
    for _ in range(FROM_ADDRESS_MOST):
        vault.people.logins.begin_passkey(visit)
    clock.advance(1)
    challenge = vault.people.logins.begin_passkey(visit)
    clock.advance(1)
    vault.people.logins.begin_passkey(visit)
    assert challenge.passkey is not None
    begun = vault.people.logins.complete(challenge.id, Proof(passkey=device.get(challenge.passkey)), visit)
    assert begun.user.id == ada.user_id
