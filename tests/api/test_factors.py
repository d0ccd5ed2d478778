"""Second factors through the API: a login in two steps, one's factors, and nobody else's."""

from __future__ import annotations

import time
from typing import Any

import pyotp
import pytest

from tests.api.conftest import Answer, Caller, Vault
from tests.api.test_matrix import FACTOR_CASES, call, make_world, meaning
from tests.support.authenticator import Authenticator
from tests.support.vaults import PASSWORD

STEP_SECONDS = 30


class Protected:
    """A person with an authenticator app. The API's vault has the true time, so codes are taken from the next step."""

    def __init__(self, vault: Vault, caller: Caller) -> None:
        self.vault, self.caller = vault, caller
        begun = caller.ok("POST", "/me/factors/totp")
        self.secret = begun["secret"]
        # One step behind is good too: the present one stays unused.
        added = caller.ok("POST", f"/me/factors/totp/{begun['id']}", {"code": self.code(-1), "name": "phone"})
        self.id, self.recovery_codes = added["factor"]["id"], added["recovery_codes"]

    def code(self, steps: int = 0) -> str:
        return pyotp.TOTP(self.secret).at(int(time.time()), counter_offset=steps)

    def ask(self) -> Answer:
        return self.vault.anyone()("POST", "/sessions", {"username": self.caller.username, "password": PASSWORD})

    def complete(self, proof: dict[str, Any], challenge_id: str = "") -> Answer:
        challenge_id = challenge_id or self.ask().json["challenge"]["id"]
        return self.vault.anyone()("POST", f"/sessions/challenges/{challenge_id}", proof)

    def log_in(self) -> Caller:
        """A session with both proofs, by a recovery code: there are ten of them."""
        answer = self.complete({"recovery_code": self.recovery_codes.pop()})
        assert answer.status == 201, answer
        return self.vault.anyone(answer.json["secret"])


@pytest.fixture
def protected(vault: Vault, ada: Caller) -> Protected:
    return Protected(vault, ada)


def test_the_first_factor_is_answered_with_recovery_codes(vault: Vault, ada: Caller) -> None:
    begun = ada.ok("POST", "/me/factors/totp")
    assert set(begun) == {"id", "secret", "uri", "expires_at"}
    wrong = ada("POST", f"/me/factors/totp/{begun['id']}", {"code": "000000"})
    assert (wrong.status, wrong.json["path"]) == (422, "code")
    code = pyotp.TOTP(begun["secret"]).now()
    added = ada.ok("POST", f"/me/factors/totp/{begun['id']}", {"code": code, "name": "phone"})
    assert (added["factor"]["name"], added["factor"]["kind"], len(added["recovery_codes"])) == ("phone", "totp", 10)
    found = ada.ok("GET", "/me/factors")
    assert (found["required"], found["recovery_codes_left"], len(found["items"])) == (True, 10, 1)


def test_a_password_is_answered_with_a_challenge_and_no_credential(protected: Protected) -> None:
    answer = protected.ask()
    assert (answer.status, answer.code) == (401, "second_factor_required")
    challenge = answer.json["challenge"]
    assert set(challenge) == {"id", "kinds", "expires_at", "passkey"}
    assert (challenge["kinds"], challenge["passkey"]) == (["totp", "recovery"], None)
    assert b"srm_" not in answer.body
    assert "set-cookie" not in answer.headers


def test_a_code_completes_it_once(vault: Vault, protected: Protected) -> None:
    challenge_id, code = protected.ask().json["challenge"]["id"], protected.code()
    answer = protected.complete({"code": code}, challenge_id)
    assert (answer.status, answer.json["factors"]) == (201, ["password", "totp"])
    assert vault.anyone(answer.json["secret"]).ok("GET", "/me")["username"] == protected.caller.username
    again, anew = protected.complete({"code": code}, challenge_id), protected.complete({"code": code})
    assert (again.status, again.code) == (401, "bad_second_factor")
    assert "a code works only once" in again.json["detail"]
    assert meaning(again) == meaning(anew)
    assert b"srm_" not in again.body


def test_a_recovery_code_says_how_many_are_left(protected: Protected) -> None:
    answer = protected.complete({"recovery_code": protected.recovery_codes[0]})
    assert (answer.status, answer.json["recovery_codes_left"]) == (201, 9)


@pytest.mark.parametrize(
    "proof", [{}, {"code": "123456", "recovery_code": "x"}, {"code": ""}, {"other": "1"}, {"code": 1}]
)
def test_a_proof_is_exactly_one(protected: Protected, proof: dict[str, Any]) -> None:
    assert protected.complete(proof).status == 422


def test_a_passkey_is_added_and_signs_in(vault: Vault, ada: Caller) -> None:
    device = Authenticator()
    begun = ada.ok("POST", "/me/factors/passkeys")
    body = {"passkey": device.create(begun["options"]), "name": "laptop"}
    assert len(ada.ok("POST", f"/me/factors/passkeys/{begun['id']}", body)["recovery_codes"]) == 10
    anyone = vault.anyone()
    challenge = anyone.ok("POST", "/sessions/challenges")
    proof = {"passkey": device.get(challenge["passkey"])}
    session = anyone.ok("POST", f"/sessions/challenges/{challenge['id']}", proof)
    assert (session["factors"], session["user"]["username"]) == (["passkey"], ada.username)
    who = vault.anyone(session["secret"])
    challenge = who.ok("POST", "/sessions/step-up/challenges")
    proof = {"passkey": device.get(challenge["passkey"])}
    fresh = who.ok("POST", f"/sessions/step-up/challenges/{challenge['id']}", proof)
    assert who("GET", "/me").status == 401
    assert vault.anyone(fresh["secret"]).ok("GET", "/me")["username"] == ada.username


def test_a_step_up_asks_for_both(vault: Vault, protected: Protected) -> None:
    who = protected.log_in()
    answer = who("POST", "/sessions/step-up", {"password": PASSWORD})
    assert (answer.status, answer.code) == (401, "second_factor_required")
    path = f"/sessions/step-up/challenges/{answer.json['challenge']['id']}"
    # It is no login, and the session that asked must complete it.
    assert protected.complete({"code": protected.code()}, answer.json["challenge"]["id"]).status == 401
    assert protected.log_in()("POST", path, {"code": protected.code()}).code == "bad_second_factor"
    fresh = who.ok("POST", path, {"code": protected.code()})
    assert fresh["factors"] == ["password", "totp"]


def test_a_session_that_proved_a_password_alone_changes_nothing_that_matters(protected: Protected) -> None:
    # It is the one that added the app, and has not given a code since.
    ada = protected.caller
    for method, path, body in (
        ("PUT", "/me/password", {"current_password": PASSWORD, "new_password": PASSWORD + "!"}),
        ("DELETE", "/me", {"password": PASSWORD}),
        ("POST", "/me/factors/totp", None),
        ("POST", "/me/factors/passkeys", None),
        ("POST", "/me/factors/recovery-codes", None),
        ("DELETE", f"/me/factors/{protected.id}", None),
    ):
        answer = ada(method, path, body)
        assert (answer.status, answer.code) == (403, "step_up_required"), (method, path)


def test_with_both_proofs_all_of_it_works(protected: Protected) -> None:
    who = protected.log_in()
    assert len(who.ok("POST", "/me/factors/recovery-codes")["recovery_codes"]) == 10
    who.ok("PUT", "/me/password", {"current_password": PASSWORD, "new_password": PASSWORD + "!"})
    who.ok("PUT", "/me/password", {"current_password": PASSWORD + "!", "new_password": PASSWORD})
    who.ok("DELETE", f"/me/factors/{protected.id}")
    assert protected.ask().status == 201
    assert who("DELETE", "/me", {"password": PASSWORD}).status == 200


def test_the_vault_face_refuses_the_account(vault: Vault, protected: Protected) -> None:
    path = f"/v1/auth/userpass/login/{protected.caller.username}"
    answer = vault.anyone().at("POST", path, {"password": PASSWORD})
    assert answer.status >= 400
    assert b"srm_" not in answer.body


def test_another_person_finds_nothing_of_hers(vault: Vault, ada: Caller, bob: Caller, protected: Protected) -> None:
    begun = {
        "totp": protected.log_in().ok("POST", "/me/factors/totp")["id"],
        "passkeys": protected.log_in().ok("POST", "/me/factors/passkeys")["id"],
    }
    challenge = protected.log_in()("POST", "/sessions/step-up", {"password": PASSWORD}).json["challenge"]["id"]
    before = ada.ok("GET", "/me/factors")
    world = make_world(vault, bob)
    for (method, rule), case in FACTOR_CASES.items():
        if "{id}" not in case.path:
            continue
        theirs = {"DELETE": protected.id}.get(method) or begun.get(rule.split("/")[3], challenge)
        answer = call(bob, method, case._replace(path=case.path.replace("{id}", theirs)), world)
        assert meaning(answer) == meaning(call(bob, method, case, world)), (method, rule)
        assert answer.status in (401, 404), (method, rule)
    assert ada.ok("GET", "/me/factors") == before


def test_names_of_challenges_that_no_database_takes(vault: Vault) -> None:
    for name in ("x", "%00", "a" * 3000, "%ff", "..%2f"):
        assert vault.anyone()("POST", f"/sessions/challenges/{name}", {"code": "123456"}).status in (401, 404), name
