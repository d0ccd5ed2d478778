"""The same call with the same key happens once; its answer is given again to whom all of it is granted still."""

from __future__ import annotations

import threading

import pytest

from tests.vaults import FakeClock, add_environment, add_token, as_token, grant, patch, run_sql, values, write
from vault.errors import BlobError, IdempotencyMismatch, InvalidInput, NotFound, NotGranted
from vault.model.principal import Principal
from vault.services import Services
from vault.services.idempotency import Call, KeptAnswer
from vault.storage import UnitOfWork

CALL = Call("PATCH", "/api/v1/environments/prod/variables", "key-1", b'{"A":"2"}')


def run(vault: Services, who: Principal, call: Call = CALL, text: str = "canary-77aa answer") -> KeptAnswer | None:
    """Carry out `call` as the API does; the kept answer where there is one, None where it happened now."""

    def work(unit: UnitOfWork) -> KeptAnswer | None:
        claim = vault.idempotency.claim(unit, who, call)
        if isinstance(claim, KeptAnswer):
            return claim
        vault.variables.patch(unit, who, "prod", {"A": {"value": "2"}})
        vault.idempotency.keep(unit, claim, KeptAnswer(200, {"ETag": "x"}, text))
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
        vault.environments.delete(unit, who, "nothing")


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
    write(vault, lambda unit: vault.environments.change(unit, ada, "prod", {"name": "moved"}))
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
    assert vault.variables.read(ada, "prod").revision == 2
