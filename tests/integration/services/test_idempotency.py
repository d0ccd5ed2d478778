"""The same call with the same key happens once; its answer is given again to whom all of it is granted still."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from tests.support.vaults import FakeClock, add_environment, add_token, as_token, grant, patch, run_sql, values, write
from vault.crypto import PasswordParameters, slow_digest
from vault.errors import BlobError, Forbidden, IdempotencyMismatch, InvalidInput, NotFound, NotGranted, StepUpRequired
from vault.model.principal import Principal
from vault.services import Services
from vault.services.idempotency import Call, KeptAnswer
from vault.services.tokens.request import TokenRequest
from vault.storage import UnitOfWork

CALL = Call("PATCH", "/api/v1/environments/prod/variables", "key-1", b'{"A":"2"}')


def run(vault: Services, who: Principal, call: Call = CALL, text: str = "canary-77aa answer") -> KeptAnswer | None:
    """Carry out `call` as the API does; the kept answer where there is one, None where it happened now."""

    def work(unit: UnitOfWork) -> KeptAnswer | None:
        claim = vault.idempotency.claim(unit, who, call)
        if isinstance(claim, KeptAnswer):
            return claim
        vault.environments.variables.patch(unit, who, "prod", {"A": {"value": "2"}})
        vault.idempotency.keep(unit, who, claim, KeptAnswer(200, {"ETag": "x"}, text))
        return None

    return write(vault, work)


@pytest.fixture(autouse=True)
def prod(vault: Services, ada: Principal, bob: Principal) -> None:
    for who in (ada, bob):
        add_environment(vault, who, "prod", A="1")


def test_the_second_call_gets_the_first_ones_answer(vault: Services, ada: Principal) -> None:
    assert run(vault, ada) is None
    patch(vault, ada, "prod", A="3")
    assert run(vault, ada) == KeptAnswer(200, {"ETag": "x"}, "canary-77aa answer")
    assert values(vault, ada, "prod") == {"A": "3"}


def test_a_call_that_fails_keeps_nothing(vault: Services, ada: Principal) -> None:
    with pytest.raises(NotFound):
        run_failing(vault, ada)
    assert run_sql(vault, "SELECT 1 FROM idempotency") == []
    assert run(vault, ada) is None


def run_failing(vault: Services, who: Principal) -> None:
    with vault.storage.write() as unit:
        vault.idempotency.claim(unit, who, CALL)
        vault.environments.environments.delete(unit, who, "nothing")


@pytest.mark.parametrize(
    "other",
    [
        Call("PUT", CALL.path, CALL.key, CALL.body),
        Call(CALL.method, CALL.path + "x", CALL.key, CALL.body),
        Call(CALL.method, CALL.path, "key-2", CALL.body),
    ],
)
def test_another_method_path_or_key_is_another_call(vault: Services, ada: Principal, other: Call) -> None:
    run(vault, ada)
    assert run(vault, ada, other) is None


def test_another_principal_has_keys_of_their_own(vault: Services, ada: Principal, bob: Principal) -> None:
    run(vault, ada)
    assert run(vault, bob) is None
    token = as_token(vault, add_token(vault, ada, grant("read,update", path="*")).secret)
    assert run(vault, token) is None


def test_another_body_under_the_same_key_is_refused(vault: Services, ada: Principal) -> None:
    run(vault, ada)
    with pytest.raises(IdempotencyMismatch):
        run(vault, ada, Call(CALL.method, CALL.path, CALL.key, b"other"))


def test_an_answer_is_not_given_again_after_the_grant_is_gone(vault: Services, ada: Principal) -> None:
    who = as_token(vault, add_token(vault, ada, grant("update", path="prod")).secret)
    run(vault, who)
    write(vault, lambda unit: vault.environments.environments.change(unit, ada, "prod", {"name": "moved"}))
    with pytest.raises(NotGranted):
        run(vault, who)


def test_an_answer_is_kept_for_a_day(vault: Services, ada: Principal, clock: FakeClock) -> None:
    run(vault, ada)
    clock.advance(86_399)
    assert run(vault, ada) is not None
    clock.advance(1)
    assert run(vault, ada) is None


def test_a_kept_answer_is_sealed(vault: Services, ada: Principal) -> None:
    run(vault, ada)
    [(blob,)] = run_sql(vault, "SELECT blob FROM idempotency")
    assert b"canary-77aa" not in bytes(blob)


def test_an_answer_moved_to_anothers_key_by_sql_does_not_open(vault: Services, ada: Principal, bob: Principal) -> None:
    """Or a database writer with an account could read the token secrets that others were told."""
    run(vault, ada, text="a secret of ada's")
    run(vault, bob, text="bob's")
    rows = run_sql(vault, "SELECT scope, blob FROM idempotency")
    for (target, _), (_, blob) in zip(rows, reversed(rows), strict=True):
        run_sql(vault, "UPDATE idempotency SET blob = :blob WHERE scope = :target", blob=blob, target=target)
    for who in (ada, bob):
        with pytest.raises(BlobError):
            run(vault, who)


def test_an_answer_does_not_open_under_another_fingerprint(vault: Services, ada: Principal) -> None:
    run(vault, ada)
    [(fingerprint,)] = run_sql(vault, "SELECT fingerprint FROM idempotency")
    other = Call(CALL.method, CALL.path, "key-2", b"other")
    run(vault, ada, other)
    run_sql(vault, "UPDATE idempotency SET fingerprint = :fingerprint", fingerprint=fingerprint)
    with pytest.raises(BlobError):
        run(vault, ada, Call(other.method, other.path, other.key, CALL.body))


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_is_neither_empty_nor_endless(vault: Services, ada: Principal, key: str) -> None:
    with pytest.raises(InvalidInput):
        run(vault, ada, Call(CALL.method, CALL.path, key, b""))


def test_ten_at_once_happen_once(vault: Services, ada: Principal) -> None:
    outcomes: list[object] = []
    threads = [threading.Thread(target=lambda: outcomes.append(run(vault, ada))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(None) == 1
    assert len(outcomes) == 10
    assert vault.environments.variables.read(ada, "prod").revision == 2


def keep_one(vault: Services, who: Principal, number: int, text: str = "") -> None:
    def work(unit: UnitOfWork) -> None:
        claim = vault.idempotency.claim(unit, who, Call("POST", "/x", f"key-{number}", b""))
        assert not isinstance(claim, KeptAnswer)
        vault.idempotency.keep(unit, who, claim, KeptAnswer(200, {}, text))

    write(vault, work)


def kept_by(vault: Services, who: Principal) -> list[int]:
    """Sizes of the answers that are kept for somebody, the oldest first."""
    sql = "SELECT length(blob) FROM idempotency WHERE user_id = :id ORDER BY created_us"
    return [row[0] for row in run_sql(vault, sql, id=who.user_id)]


def test_past_so_many_the_oldest_answers_of_a_person_go(
    vault: Services, ada: Principal, bob: Principal, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.services.idempotency.KEPT_MOST", 5)
    monkeypatch.setattr("vault.services.idempotency._LOOK_BELOW", 256)
    keep_one(vault, bob, 0)
    for number in range(12):
        clock.advance(1)
        keep_one(vault, ada, number)
        assert len(kept_by(vault, ada)) == min(number + 1, 5)
    with vault.storage.read() as unit:
        calls = [Call("POST", "/x", f"key-{number}", b"") for number in range(12)]
        assert [vault.idempotency.is_kept(unit, ada, call) for call in calls] == [False] * 7 + [True] * 5
    assert len(kept_by(vault, bob)) == 1


def test_past_so_many_bytes_too_and_a_large_answer_is_always_looked_at(
    vault: Services, ada: Principal, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.services.idempotency.KEPT_MOST_BYTES", 300_000)
    monkeypatch.setattr("vault.services.idempotency._LOOK_BELOW", 0)
    for number in range(6):
        clock.advance(1)
        keep_one(vault, ada, number, "x" * 100_000)
    assert len(kept_by(vault, ada)) == 2
    assert sum(kept_by(vault, ada)) <= 300_000


def test_most_keeps_are_not_added_up_and_enough_are(vault: Services, ada: Principal, clock: FakeClock) -> None:
    for number in range(400):
        clock.advance(0.001)
        keep_one(vault, ada, number)
    assert len(kept_by(vault, ada)) == 400
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("vault.services.idempotency.KEPT_MOST", 5)
        for number in range(400, 1000):
            keep_one(vault, ada, number)
            if len(kept_by(vault, ada)) < 100:
                return
    raise AssertionError("Nobody has looked in 600 times.")


def test_a_fingerprint_of_a_password_costs_as_much_to_guess_as_its_hash(
    vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Call("PUT", "/api/v1/me/password", "key", b'{"new_password": "x"}', has_password=True)
    plain = Call(call.method, call.path, call.key, call.body)
    hashed: list[bytes] = []

    def counted(data: bytes, salt: bytes, parameters: PasswordParameters) -> bytes:
        hashed.append(salt)
        assert parameters == vault.people.accounts.parameters
        return slow_digest(data, salt, parameters)

    monkeypatch.setattr("vault.services.idempotency.slow_digest", counted)
    first, second = vault.idempotency.claims(ada, call), vault.idempotency.claims(ada, call)
    assert first == second
    assert len(hashed) == 2
    assert first[0].scope == vault.idempotency.claims(ada, plain)[0].scope
    assert first[0].fingerprint != vault.idempotency.claims(ada, plain)[0].fingerprint
    # Two people with one password, or one person twice, do not show that it is one.
    vault.idempotency.claims(ada, Call(call.method, call.path, "other", call.body, has_password=True))
    assert len(set(hashed)) == 2


def rotate(vault: Services, who: Principal, token_id: str, overlap: int) -> str:
    """Rotate a token with a key, as the API does; the secret in the answer."""
    call = Call("POST", f"/api/v1/tokens/{token_id}/rotate", "key", b"{}")

    def work(unit: UnitOfWork) -> str:
        claim = vault.idempotency.claim(unit, who, call)
        if isinstance(claim, KeptAnswer):
            return claim.text
        secret = vault.tokens.tokens.rotate(unit, who, token_id, overlap).secret or ""
        vault.idempotency.keep(unit, who, claim, KeptAnswer(200, {}, secret))
        return secret

    return write(vault, work)


def test_a_replaced_secret_gets_no_stored_answer_of_the_rotation(vault: Services, ada: Principal) -> None:
    token = add_token(vault, ada, grant("read", path="*"))
    new = rotate(vault, as_token(vault, token.secret), token.id, 600)
    with pytest.raises(Forbidden, match="replaced by a rotation"):
        rotate(vault, as_token(vault, token.secret), token.id, 600)
    assert rotate(vault, as_token(vault, new), token.id, 600) == new


def test_a_replaced_secret_gets_no_stored_answer_of_a_new_token(vault: Services, ada: Principal) -> None:
    token = add_token(vault, ada, grant("read,delegate", path="*"))
    call = Call("POST", "/api/v1/tokens", "key", b"{}")

    def work(unit: UnitOfWork) -> str:
        who = as_token(vault, token.secret)
        claim = vault.idempotency.claim(unit, who, call)
        if isinstance(claim, KeptAnswer):
            return claim.text
        request = TokenRequest("child", [grant("read", path="*")])
        secret = vault.tokens.tokens.create(unit, who, request).secret or ""
        vault.idempotency.keep(unit, who, claim, KeptAnswer(201, {}, secret))
        return secret

    made = write(vault, work)
    assert write(vault, work) == made
    write(vault, lambda unit: vault.tokens.tokens.rotate(unit, ada, token.id, 600))
    with pytest.raises(Forbidden, match="replaced by a rotation"):
        write(vault, work)


def test_a_stored_answer_needs_the_same_fresh_proof(vault: Services, ada: Principal, clock: FakeClock) -> None:
    token = add_token(vault, ada, grant("read", path="*"))
    new = rotate(vault, ada, token.id, 600)
    assert rotate(vault, replace(ada, asked=set()), token.id, 600) == new
    clock.advance(301)
    with pytest.raises(StepUpRequired):
        rotate(vault, ada, token.id, 600)


def test_a_check_that_this_release_does_not_know_is_refused(ada: Principal) -> None:
    ada.ask_again(("person", "recent_proof"), ada.authenticated_us)
    with pytest.raises(Forbidden):
        ada.ask_again(("person", "a check of later"), ada.authenticated_us)
    with pytest.raises(Forbidden):
        ada.ask_again(("operator",), ada.authenticated_us)
