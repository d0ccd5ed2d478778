"""`sys/wrapping`: answers that one reader fetches once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.conftest import Caller, Vault
from tests.kv.conftest import Kv, kv_of
from tests.support.vaults import FakeClock, run_sql
from vault.jobs.purge import purge
from vault.services.vaultkv import wrapping


def _wrapped(kv: Kv, path: str = "secret/data/prod", ttl: str = "60") -> dict[str, Any]:
    answer = kv("GET", path, X_Vault_Wrap_TTL=ttl)
    assert (answer.status, answer.data) == (200, None)
    found: dict[str, Any] = answer.json["wrap_info"]
    return found


def test_a_wrapped_answer_is_fetched_once_and_whole(kv: Kv) -> None:
    kv.put("prod", {"A": 1.0})
    info = _wrapped(kv)
    assert (info["ttl"], info["creation_path"], info["wrapped_accessor"]) == (60, "secret/data/prod", "")
    first = kv("POST", "sys/wrapping/unwrap", {"token": info["token"]})
    assert first.data["data"] == {"A": 1.0}
    assert b'{"A":1.0}' in first.body
    again = kv("POST", "sys/wrapping/unwrap", {"token": info["token"]})
    assert (again.status, len(again.errors)) == (400, 1)


def test_the_wrapping_token_is_credential_enough(kv: Kv, vault: Vault) -> None:
    kv.put("prod", {"A": "1"})
    holder = Kv(vault.app, _wrapped(kv)["token"])
    assert holder("GET", "secret/data/prod").errors == ["permission denied"]
    assert holder("GET", "auth/token/lookup-self").status == 403
    assert holder("POST", "sys/wrapping/unwrap").data["data"] == {"A": "1"}


@pytest.mark.parametrize("body", [b"null", b"", b" ", b"{}"])
def test_unwrapping_by_its_own_token_takes_an_empty_body(kv: Kv, vault: Vault, body: bytes) -> None:
    # `bao unwrap` sends null.
    kv.put("prod", {"A": "1"})
    holder = Kv(vault.app, _wrapped(kv)["token"])
    assert holder("PUT", "sys/wrapping/lookup", body).data["creation_path"] == "secret/data/prod"
    assert holder("PUT", "sys/wrapping/unwrap", body).data["data"] == {"A": "1"}


@pytest.mark.parametrize("ttl", ["0", "0s", "", "0h0m0s"])
def test_a_wrapping_time_of_zero_is_not_given(kv: Kv, ttl: str) -> None:
    kv.put("prod", {"A": "1"})
    assert kv("GET", "secret/data/prod", X_Vault_Wrap_TTL=ttl).data["data"] == {"A": "1"}


def test_a_stale_token_beside_it_does_not_matter(kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    token = _wrapped(kv)["token"]
    assert kv.as_("a stale token")("POST", "sys/wrapping/unwrap", {"token": token}).data["data"] == {"A": "1"}


@pytest.mark.parametrize("ttl", ["60s", "1m", "60"])
def test_a_time_is_a_number_or_a_duration(kv: Kv, ttl: str) -> None:
    kv.put("prod", {})
    assert _wrapped(kv, ttl=ttl)["ttl"] == 60


@pytest.mark.parametrize("ttl", ["soon", "25h", "86401", "-1x", "-1", "-60s", "-1ns"])
def test_a_time_that_cannot_be_is_refused_before_anything_is_done(kv: Kv, ttl: str) -> None:
    answer = kv("POST", "secret/data/prod", {"data": {"A": "1"}}, X_Vault_Wrap_TTL=ttl)
    assert answer.status == 400
    assert kv("GET", "secret/metadata/prod").status == 404


def test_a_token_is_handed_over_wrapped(service: Kv) -> None:
    answer = service("POST", "auth/token/create", {"ttl": "1h"}, X_Vault_Wrap_TTL="60")
    assert answer.auth is None
    info = answer.json["wrap_info"]
    made = service("POST", "sys/wrapping/unwrap", {"token": info["token"]}).auth
    assert made["accessor"] == info["wrapped_accessor"]
    assert service.as_(made["client_token"])("GET", "sys/mounts").status == 200


def test_a_login_may_be_wrapped_too(service: Kv) -> None:
    body = {"role_id": service.token[6:18], "secret_id": service.token[18:61]}
    info = service("POST", "auth/approle/login", body, X_Vault_Wrap_TTL="60").json["wrap_info"]
    assert service("POST", "sys/wrapping/unwrap", {"token": info["token"]}).auth["client_token"].startswith("srm_t_")


def test_anything_may_be_wrapped(kv: Kv) -> None:
    info = kv("POST", "sys/wrapping/wrap", {"a": [1, {"b": 2}]}, X_Vault_Wrap_TTL="120").json["wrap_info"]
    assert info["ttl"] == 120
    assert kv("POST", "sys/wrapping/unwrap", {"token": info["token"]}).data == {"a": [1, {"b": 2}]}


def test_a_look_up_leaves_the_answer(kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    info = _wrapped(kv)
    found = kv("POST", "sys/wrapping/lookup", {"token": info["token"]}).data
    assert found == {
        "creation_path": "secret/data/prod", "creation_ttl": 60, "creation_time": info["creation_time"],
    }  # fmt: skip
    assert kv("POST", "sys/wrapping/unwrap", {"token": info["token"]}).status == 200
    assert kv("POST", "sys/wrapping/lookup", {"token": info["token"]}).status == 400


def test_a_rewrap_spends_the_old_token(kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    old = _wrapped(kv)["token"]
    new = kv("POST", "sys/wrapping/rewrap", {"token": old}).json["wrap_info"]["token"]
    assert kv("POST", "sys/wrapping/unwrap", {"token": old}).status == 400
    assert kv("POST", "sys/wrapping/unwrap", {"token": new}).data["data"] == {"A": "1"}


@pytest.mark.parametrize("token", ["junk", "", 7, None, "srm_w_" + "0" * 61])
def test_what_is_no_wrapping_token_is_refused(kv: Kv, token: object) -> None:
    for call in ("unwrap", "lookup", "rewrap"):
        assert kv("POST", f"sys/wrapping/{call}", {"token": token}).status == 400


def test_an_error_is_not_wrapped(kv: Kv) -> None:
    assert kv("GET", "secret/data/nothing", X_Vault_Wrap_TTL="60").errors == []
    assert kv.as_("junk")("GET", "secret/data/nothing", X_Vault_Wrap_TTL="60").errors == ["permission denied"]


def test_an_expired_answer_is_gone(timed: Vault, clock: FakeClock) -> None:
    kv = kv_of(timed.person("ada"))
    kv.put("prod", {"A": "1"})
    token = _wrapped(kv, ttl="10")["token"]
    clock.advance(11)
    assert kv("POST", "sys/wrapping/lookup", {"token": token}).status == 400
    assert kv("POST", "sys/wrapping/unwrap", {"token": token}).status == 400
    assert purge(timed.services)["wrapped_answers"] == 1


def test_of_50_who_unwrap_at_once_one_succeeds(kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    token = _wrapped(kv)["token"]
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: kv("POST", "sys/wrapping/unwrap", {"token": token}), range(50)))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 49
    assert sum(b'"A"' in answer.body for answer in answers) == 1


def test_nothing_that_is_stored_tells_the_answer_or_the_token(kv: Kv, vault: Vault) -> None:
    kv.put("prod", {"A": "canary-value"})
    token = _wrapped(kv)["token"]
    rows = run_sql(vault.services, "SELECT * FROM wrapped_answers")
    stored = repr([[bytes(cell) if isinstance(cell, memoryview) else cell for cell in row] for row in rows])
    assert rows
    assert "canary" not in stored
    assert token not in stored
    assert token[6:18] not in stored


def test_an_answer_moved_to_another_token_does_not_open(kv: Kv, vault: Vault, bob: Caller) -> None:
    kv.put("prod", {"A": "canary"})
    _wrapped(kv)
    theirs = kv_of(bob)
    theirs.put("prod", {"B": "2"})
    token = _wrapped(theirs)["token"]
    newest = "SELECT blob FROM wrapped_answers WHERE user_id <> :id ORDER BY created_us DESC LIMIT 1"
    blob = run_sql(vault.services, newest, id=bob.id)[0][0]
    run_sql(vault.services, "UPDATE wrapped_answers SET blob = :blob WHERE user_id = :id", blob=blob, id=bob.id)
    answer = theirs("POST", "sys/wrapping/unwrap", {"token": token})
    assert (answer.status, answer.errors) == (500, ["internal error"])


def test_an_answer_goes_with_its_person(vault: Vault) -> None:
    eve = vault.person("eve")
    kv = kv_of(eve)
    kv.put("prod", {"A": "1"})
    token = _wrapped(kv)["token"]
    from tests.support.vaults import HOST, write

    write(vault.services, lambda unit: vault.services.people.accounts.set_state(unit, HOST, eve.username, active=False))
    assert Kv(vault.app)("POST", "sys/wrapping/unwrap", {"token": token}).status == 400


def test_as_many_as_may_wait_wait(kv: Kv, monkeypatch: pytest.MonkeyPatch) -> None:
    kv.put("prod", {})
    monkeypatch.setattr(wrapping, "OF_SESSIONS", wrapping.Share(2, 1 << 20))
    tokens = [_wrapped(kv)["token"] for _ in range(2)]
    assert kv("GET", "secret/data/prod", X_Vault_Wrap_TTL="60").status == 400
    kv("POST", "sys/wrapping/unwrap", {"token": tokens[0]})
    assert kv("GET", "secret/data/prod", X_Vault_Wrap_TTL="60").status == 200


def test_a_wrapped_answer_is_in_the_trail_without_its_token(kv: Kv, ada: Caller, vault: Vault) -> None:
    kv.put("prod", {"A": "canary"})
    token = _wrapped(kv)["token"]
    kv("POST", "sys/wrapping/unwrap", {"token": token})
    rows = run_sql(
        vault.services, "SELECT action FROM audit_events WHERE user_id = :id ORDER BY at_us DESC LIMIT 3", id=ada.id
    )
    assert {"wrapping.wrap", "wrapping.unwrap"} <= {row[0] for row in rows}
