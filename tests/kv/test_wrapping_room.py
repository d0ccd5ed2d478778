"""Room for wrapped answers: asked for before the call runs, shared out between tokens, and never left filled."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.conftest import Caller, Vault
from tests.kv.conftest import Kv, kv_of
from tests.support.vaults import FakeClock, run_sql
from vault.errors import DatabaseUnavailable
from vault.services.vaultkv import wrapping
from vault.services.vaultkv.wrapping import Share, Wrapping

EVERYTHING = ["list", "read", "create", "update", "delete", "history", "delegate"]


def stored(vault: Vault, user_id: str) -> tuple[int, int]:
    """How many wrapped answers of a person's lie in the database, and their bytes."""
    sql = "SELECT count(*), coalesce(sum(length(blob)), 0) FROM wrapped_answers WHERE user_id = :id"
    row = run_sql(vault.services, sql, id=user_id)[0]
    return int(row[0]), int(row[1])


def tokens(ada: Caller) -> int:
    return len(ada.ok("GET", "/tokens?limit=200")["items"])


def fill_up(kv: Kv, most: int) -> int:
    """Wrap until it is refused; how many were taken."""
    for number in range(most + 2):
        if kv("POST", "sys/wrapping/wrap", {"a": 1}, X_Vault_Wrap_TTL="24h").status != 200:
            return number
    return most + 2


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrapping, "OF_ONE_TOKEN", Share(3, 1 << 20))
    monkeypatch.setattr(wrapping, "OF_ALL_TOKENS", Share(8, 1 << 21))
    monkeypatch.setattr(wrapping, "OF_SESSIONS", Share(3, 1 << 20))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "call", ["auth/token/create", "auth/approle/login", "secret/data/made", "auth/token/renew-self"]
)
def test_where_there_is_no_room_the_call_does_not_run(vault: Vault, ada: Caller, call: str) -> None:
    token = ada.token({"path": "*", "permissions": EVERYTHING}, renewable=True, ttl_seconds=600, max_ttl_seconds=9000)
    kv = kv_of(token)
    assert fill_up(kv, 3) == 3
    before = run_sql(vault.services, "SELECT count(*), max(expires_us) FROM tokens WHERE user_id = :id", id=ada.id)
    bodies: dict[str, dict[str, Any]] = {
        "auth/token/create": {"policies": ["path:x:read"]},
        "auth/approle/login": {"role_id": token.secret[6:18], "secret_id": token.secret[18:61]},
        "secret/data/made": {"data": {"A": "1"}},
        "auth/token/renew-self": {"increment": "2h"},
    }
    answer = kv("POST", call, bodies[call], X_Vault_Wrap_TTL="60")
    assert (answer.status, "that are not unwrapped yet" in answer.errors[0]) == (400, True)
    after = run_sql(vault.services, "SELECT count(*), max(expires_us) FROM tokens WHERE user_id = :id", id=ada.id)
    assert list(map(tuple, after)) == list(map(tuple, before))
    assert kv("GET", "secret/metadata/made").status == 404


@pytest.mark.usefixtures("small")
def test_a_login_by_password_begins_no_session_that_nobody_gets(vault: Vault, ada: Caller) -> None:
    from tests.support.vaults import PASSWORD

    assert fill_up(kv_of(ada), 3) == 3
    before = len(ada.ok("GET", "/sessions")["items"])
    login = f"auth/userpass/login/{ada.username}"
    assert Kv(vault.app)("POST", login, {"password": PASSWORD}, X_Vault_Wrap_TTL="60").status == 400
    assert len(ada.ok("GET", "/sessions")["items"]) == before


@pytest.mark.usefixtures("small")
def test_one_token_takes_nothing_from_what_others_and_their_person_need(vault: Vault, ada: Caller) -> None:
    hostile = ada.token({"path": "nothing/here", "permissions": ["list"]})
    other = ada.token({"path": "*", "permissions": EVERYTHING})
    assert fill_up(kv_of(hostile), 3) == 3
    assert fill_up(kv_of(other), 3) == 3
    # All tokens together leave the sessions theirs.
    assert fill_up(kv_of(ada.token({"path": "x", "permissions": ["list"]})), 3) == 2
    assert fill_up(kv_of(ada), 3) == 3


@pytest.mark.usefixtures("small")
def test_what_a_token_has_made_shares_its_room(vault: Vault, ada: Caller) -> None:
    token = ada.token({"path": "*", "permissions": EVERYTHING})
    kv = kv_of(token)
    login = {"role_id": token.secret[6:18], "secret_id": token.secret[18:61]}
    for _ in range(3):
        child = kv.as_(kv("POST", "auth/approle/login", login).auth["client_token"])
        grandchild = child.as_(child("POST", "auth/token/create", {"ttl": "5m"}).auth["client_token"])
        assert grandchild("POST", "sys/wrapping/wrap", {"a": 1}, X_Vault_Wrap_TTL="60").status == 200
    assert kv("POST", "sys/wrapping/wrap", {"a": 1}, X_Vault_Wrap_TTL="60").status == 400


def test_bytes_are_bounded_for_each_answer_and_for_each_token(vault: Vault, ada: Caller) -> None:
    kv = kv_of(ada.token({"path": "nothing/here", "permissions": ["list"]}))
    large = kv("POST", "sys/wrapping/wrap", {"a": "x" * 1_200_000}, X_Vault_Wrap_TTL="24h")
    assert large.status == 400
    assert str(wrapping.ANSWER_MOST_BYTES) in large.errors[0]
    assert stored(vault, ada.id) == (0, 0)
    statuses = [kv("POST", "sys/wrapping/wrap", {"a": "x" * 900_000}, X_Vault_Wrap_TTL="24h").status for _ in range(8)]
    assert statuses == [200] * 4 + [400] * 4
    count, size = stored(vault, ada.id)
    assert count == 4
    assert size <= wrapping.OF_ONE_TOKEN.bytes


def test_answers_whose_time_is_over_make_room_at_once(timed: Vault, clock: FakeClock) -> None:
    ada = timed.person("ada")
    kv = kv_of(ada.token({"path": "nothing/here", "permissions": ["list"]}))
    for _ in range(12):
        assert kv("POST", "sys/wrapping/wrap", {"a": "x" * 900_000}, X_Vault_Wrap_TTL="1").status == 200
        clock.advance(1)
    assert stored(timed, ada.id)[0] == 1


def test_of_many_at_once_as_many_are_carried_out_as_are_wrapped(
    vault: Vault, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wrapping, "OF_ONE_TOKEN", Share(4, 1 << 20))
    kv = kv_of(ada.token({"path": "*", "permissions": EVERYTHING}))
    before = tokens(ada)
    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(lambda _: kv("POST", "auth/token/create", {"ttl": "5m"}, X_Vault_Wrap_TTL="60"), range(10))
        )
    assert sorted(answer.status for answer in answers) == [200] * 4 + [400] * 6
    assert tokens(ada) == before + 4


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "secret/data/nothing", 404), ("POST", "auth/token/revoke-accessor", 403),
        ("OPTIONS", "secret/data/x", 200), ("DELETE", "secret/metadata/prod", 204), ("HEAD", "sys/health", 200),
    ],
)  # fmt: skip
def test_what_gives_no_answer_to_wrap_leaves_nothing_behind(
    vault: Vault, ada: Caller, method: str, path: str, status: int
) -> None:
    kv = kv_of(ada)
    kv.put("prod", {"A": "1"})
    body = {"accessor": "0" * 36} if method == "POST" else None
    answer = kv(method, path, body, X_Vault_Wrap_TTL="60")
    assert answer.status in (status, 400 if method == "POST" else status)
    assert b"wrap_info" not in answer.body or answer.json.get("wrap_info") is None
    assert stored(vault, ada.id) == (0, 0)


@pytest.mark.parametrize("error", [DatabaseUnavailable(), MemoryError()])
def test_a_call_whose_answer_is_lost_after_it_ran_says_so(
    vault: Vault, ada: Caller, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    kv = kv_of(ada.token({"path": "*", "permissions": EVERYTHING}))
    before = tokens(ada)
    with monkeypatch.context() as patch:
        patch.setattr(Wrapping, "fill", fail)
        answer = kv("POST", "auth/token/create", {"ttl": "5m"}, X_Vault_Wrap_TTL="60")
        read = kv_of(ada)("GET", "sys/mounts", X_Vault_Wrap_TTL="60")
    # Not 5xx: clients would send it again by themselves, and make another token.
    assert answer.status == 400
    assert answer.errors[0].startswith("The call was carried out, but its answer could not be wrapped and is lost.")
    assert tokens(ada) == before + 1
    accessors = set(kv_of(ada)("LIST", "auth/token/accessors").data["keys"])
    assert any(accessor in answer.errors[0] for accessor in accessors)
    assert b"client_token" not in answer.body
    assert read.status >= 500
    assert "carried out" not in json.dumps(read.errors)
    assert stored(vault, ada.id) == (0, 0)
