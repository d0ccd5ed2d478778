"""`auth/userpass` and `auth/approle`."""

from __future__ import annotations

import pytest

from tests.api.conftest import Caller, Vault
from tests.kv.conftest import Kv, kv_of
from tests.support.vaults import PASSWORD, run_sql, write
from vault.app import takes_password
from vault.storage import ColumnValues


def _approle(kv: Kv, secret: str) -> tuple[str, str]:
    return secret[6:18], secret[18:61]


def test_a_password_begins_a_session_of_the_api(ada: Caller, vault: Vault) -> None:
    nobody = Kv(vault.app, "a stale token")
    for method in ("POST", "PUT"):
        answer = nobody(method, f"auth/userpass/login/{ada.username}", {"password": PASSWORD})
        assert answer.status == 200
        token = answer.auth["client_token"]
        assert (answer.auth["renewable"], answer.auth["metadata"]) == (False, {"username": ada.username})
        assert nobody.as_(token).put("prod", {}).status == 200
        # The same session, on our own face.
        assert vault.anyone(token)("GET", "/me").json["username"] == ada.username


@pytest.mark.parametrize("username", ["{ada}", "nobody-of-this-name"])
def test_a_bad_login_is_400_whoever_it_is(ada: Caller, vault: Vault, username: str) -> None:
    answer = Kv(vault.app)("POST", f"auth/userpass/login/{username.format(ada=ada.username)}", {"password": "wrong"})
    assert (answer.status, answer.errors) == (400, ["invalid username or password"])


@pytest.mark.parametrize("body", [{}, {"password": ""}, {"password": 7}, []])
def test_a_login_without_a_password_is_400(ada: Caller, vault: Vault, body: object) -> None:
    assert Kv(vault.app)("POST", f"auth/userpass/login/{ada.username}", body).status == 400


def test_an_account_with_a_second_factor_is_refused(ada: Caller, vault: Vault) -> None:
    row: ColumnValues = {
        "id": "0" * 8 + "-0000-4000-8000-" + ada.id[-12:],
        "user_id": ada.id,
        "kind": "totp",
        "label": "",
        "counter": 0,
    }
    sealed: ColumnValues = {"user_key_id": vault.services.instance.system_key_id, "blob": b"", "created_us": 0}
    write(vault.services, lambda unit: unit.credentials.add(**row, **sealed))
    answer = Kv(vault.app)("POST", f"auth/userpass/login/{ada.username}", {"password": PASSWORD})
    assert answer.status == 400
    assert "second factor" in answer.errors[0]
    sessions = run_sql(vault.services, "SELECT count(*) FROM sessions WHERE user_id = :id", id=ada.id)
    assert sessions[0][0] == 1


def test_logins_are_throttled_as_everywhere(vault: Vault) -> None:
    person = vault.person("eve")
    nobody = Kv(vault.app)
    path = f"auth/userpass/login/{person.username.upper()}"
    answers = [nobody("POST", path, {"password": "wrong"}) for _ in range(11)]
    assert [answer.status for answer in answers[-2:]] == [400, 429]
    assert int(answers[-1].headers["retry-after"]) > 0
    # One counter for both faces.
    assert vault.anyone()("POST", "/sessions", {"username": person.username, "password": "wrong"}).status == 429


@pytest.mark.parametrize("path", ["/v1/auth/userpass/login/ada", "//v1/auth/userpass/login/ada/"])
def test_a_login_goes_where_passwords_are_hashed(vault: Vault, path: str) -> None:
    is_login = takes_password(vault.app)
    assert is_login("POST", path)
    assert is_login("PUT", path)
    assert not is_login("GET", path)


def test_a_role_is_a_tokens_id_and_its_secret(service: Kv) -> None:
    role_id, secret_id = _approle(service, service.token)
    answer = service.as_("a stale token")("POST", "auth/approle/login", {"role_id": role_id, "secret_id": secret_id})
    assert answer.status == 200
    assert (answer.auth["orphan"], answer.auth["renewable"]) == (False, True)
    assert answer.auth["lease_duration"] <= 3600
    child = service.as_(answer.auth["client_token"])
    assert child.token != service.token
    assert child.put("prod", {"A": "1"}).status == 200


def test_the_child_of_a_role_goes_with_it(service: Kv) -> None:
    role_id, secret_id = _approle(service, service.token)
    made = service("POST", "auth/approle/login", {"role_id": role_id, "secret_id": secret_id})
    service("POST", "auth/token/revoke-self")
    assert service.as_(made.auth["client_token"])("GET", "sys/mounts").status == 403


def test_a_role_that_may_not_delegate_logs_in_all_the_same(ada: Caller, kv: Kv) -> None:
    kv.put("prod", {"A": "1"})
    token = ada.token({"path": "prod", "permissions": ["read"]})
    role_id, secret_id = _approle(kv, token.secret)
    made = kv("POST", "auth/approle/login", {"role_id": role_id, "secret_id": secret_id})
    child = kv.as_(made.auth["client_token"])
    assert child.get("prod") == {"A": "1"}
    assert child.put("prod", {}).status == 403


def test_a_wrong_role_or_secret_is_400(service: Kv, ada: Caller) -> None:
    role_id, secret_id = _approle(service, service.token)
    other = ada.token({"path": "*", "permissions": ["read"]}).secret
    for role, secret in (
        (role_id, "0" * 43), ("0" * 12, secret_id), (other[6:18], secret_id), ("", secret_id), (role_id, 7), ("x", "y"),
        ("é" * 12, secret_id),
    ):  # fmt: skip
        answer = service("POST", "auth/approle/login", {"role_id": role, "secret_id": secret})
        assert answer.status == 400
        assert len(answer.errors) == 1


def test_a_role_whose_uses_are_counted_gives_no_child(ada: Caller, kv: Kv) -> None:
    role_id, secret_id = _approle(kv, ada.token({"path": "*", "permissions": ["read"]}, uses=3).secret)
    assert kv("POST", "auth/approle/login", {"role_id": role_id, "secret_id": secret_id}).status == 400


def test_a_role_is_refused_from_another_network(ada: Caller, kv: Kv) -> None:
    token = ada.token({"path": "*", "permissions": ["read"]}, networks=["10.0.0.0/8"])
    role_id, secret_id = _approle(kv, token.secret)
    assert kv("POST", "auth/approle/login", {"role_id": role_id, "secret_id": secret_id}).status == 400


def test_no_refused_login_leaves_a_token_or_carries_one(service: Kv, ada: Caller, vault: Vault) -> None:
    # CVE-2026-46405: a credential on an error path.
    before = run_sql(vault.services, "SELECT count(*) FROM tokens WHERE user_id = :id", id=ada.id)[0][0]
    role_id, _ = _approle(service, service.token)
    answer = service("POST", "auth/approle/login", {"role_id": role_id, "secret_id": "1" * 43})
    assert b"srm_" not in answer.body
    assert run_sql(vault.services, "SELECT count(*) FROM tokens WHERE user_id = :id", id=ada.id)[0][0] == before


def test_expired_children_do_not_fill_the_quota(timed: Vault) -> None:
    from tests.support.vaults import FakeClock

    clock = timed.services.clock
    assert isinstance(clock, FakeClock)
    token = timed.person("ada").token({"path": "*", "permissions": ["read"]}, ttl_seconds=None)
    body = {"role_id": token.secret[6:18], "secret_id": token.secret[18:61]}
    nobody = kv_of(timed.anyone())
    assert nobody("POST", "auth/approle/login", body).status == 200
    clock.advance(3601)
    with timed.services.storage.read() as unit:
        owner = unit.tokens.by_id(token.id)
        assert owner is not None
        assert unit.tokens.count(owner.user_id, clock()) == 1
