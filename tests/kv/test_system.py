"""`sys/…`, and what the face does not offer."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest

from tests.api.conftest import Caller, Vault
from tests.kv.conftest import Kv, kv_of
from tests.support.vaults import HOST
from vault.services.keys.locking import lock, unlock

_PUBLIC = {
    "/v1/sys/health", "/v1/sys/seal-status", "/v1/sys/leader", "/v1/sys/init", "/v1/auth/userpass/login/<user>",
    "/v1/auth/approle/login", "/v1/sys/wrapping/unwrap", "/v1/sys/wrapping/rewrap", "/v1/sys/wrapping/lookup",
}  # fmt: skip


@pytest.fixture
def nobody(vault: Vault) -> Kv:
    """Somebody without a token."""
    return Kv(vault.app)


@pytest.fixture
def locked(vault: Vault) -> Iterator[None]:
    """While this lasts, the vault is locked."""
    _lock(vault, locked=True)
    yield
    _lock(vault, locked=False)


def _lock(vault: Vault, *, locked: bool) -> None:
    change = lock if locked else unlock
    change(vault.services.storage, HOST)
    with vault.services.storage.read() as unit:
        vault.services.instance.refresh(unit)


def test_health_is_for_everybody(nobody: Kv) -> None:
    answer = nobody("GET", "sys/health")
    assert (answer.status, answer.json["sealed"], answer.json["initialized"]) == (200, False, True)
    assert nobody("HEAD", "sys/health").status == 200
    assert nobody("GET", "sys/health?activecode=299").status == 299
    assert nobody("GET", "sys/health?activecode=9999").status == 200


def test_a_locked_vault_says_that_it_is_sealed(kv: Kv, nobody: Kv, locked: None) -> None:
    assert nobody("GET", "sys/health").status == 503
    assert nobody("GET", "sys/health?sealedcode=204").status == 204
    assert nobody("GET", "sys/seal-status").json["sealed"] is True
    refused = kv("GET", "secret/data/prod")
    assert (refused.status, refused.errors) == (503, ["Vault is sealed"])
    assert "retry-after" in refused.headers
    for path in ("auth/approle/login", "auth/userpass/login/ada", "sys/wrapping/unwrap"):
        body = {"role_id": "a" * 12, "secret_id": "b" * 43, "password": "x", "token": "y"}
        assert nobody("POST", path, body).errors == ["Vault is sealed"]


@pytest.mark.parametrize("path", ["sys/seal-status", "sys/health"])
@pytest.mark.parametrize("release", ["0.2.0", "0.2.0.dev0", "1.10.3.dev12"])
def test_the_version_is_a_semantic_one(nobody: Kv, monkeypatch: pytest.MonkeyPatch, path: str, release: str) -> None:
    # Terraform's provider panics on any other.
    monkeypatch.setattr("vault.kv.system.__version__", release)
    told = nobody("GET", path).json["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z-]+(\.(0|[1-9]\d*))*)?", told)
    assert told.startswith(release.partition(".dev")[0])


def test_the_seal_status_has_no_envelope(nobody: Kv) -> None:
    found = nobody("GET", "sys/seal-status").json
    assert (found["sealed"], found["type"], found["t"], found["n"]) == (False, "shamir", 1, 1)
    assert nobody("GET", "sys/leader").json["is_self"] is True


def test_the_mounts_are_two_and_their_versions_are_texts(kv: Kv, nobody: Kv) -> None:
    found = kv("GET", "sys/mounts").data
    assert {name: mount["options"]["version"] for name, mount in found.items()} == {"secret/": "2", "kv/": "1"}
    assert kv("GET", "sys/mounts/secret").data["type"] == "kv"
    assert kv("GET", "sys/mounts/other").errors == []
    assert nobody("GET", "sys/mounts").status == 403


@pytest.mark.parametrize(("path", "mount"), [("secret/a/b", "secret/"), ("secret", "secret/"), ("kv/x", "kv/")])
def test_a_path_tells_its_mount(kv: Kv, path: str, mount: str) -> None:
    assert kv("GET", f"sys/internal/ui/mounts/{path}").data["path"] == mount


def test_a_path_in_no_mount_is_denied(kv: Kv) -> None:
    assert kv("GET", "sys/internal/ui/mounts/other/x").errors == ["permission denied"]
    assert set(kv("GET", "sys/internal/ui/mounts").data["secret"]) == {"secret/", "kv/"}


def test_a_token_knows_what_it_may_do(ada: Caller, kv: Kv) -> None:
    kv.put("team/a", {})
    token = kv_of(ada.token({"path": "team", "permissions": ["list", "read", "update"]}))
    paths = [
        "secret/data/team/a", "secret/metadata/team", "secret/data/other", "secret/data/team/../other", "secret/config",
        "auth/token/lookup-self", "sys/raw", "kv/team/a", "secret/destroy/team/a",
    ]  # fmt: skip
    found = token("POST", "sys/capabilities-self", {"paths": paths}).data
    assert found["capabilities"] == found["secret/data/team/a"] == ["patch", "read", "update"]
    assert found["secret/metadata/team"] == ["list", "patch", "read", "update"]
    assert found["auth/token/lookup-self"] == ["read", "update"]
    assert found["kv/team/a"] == ["list", "read", "update"]
    for denied in (
        "secret/data/other",
        "secret/data/team/../other",
        "secret/config",
        "sys/raw",
        "secret/destroy/team/a",
    ):
        assert found[denied] == ["deny"]


@pytest.mark.parametrize(
    ("grant", "listed"),
    [
        ({"path": "team/a", "permissions": ["list"]}, {"", "team", "team/", "team/a", "team/a/x"}),
        ({"path": "*", "permissions": ["list", "read"]}, {"", "team", "team/", "team/a", "team/a/x", "other"}),
        ({"path": "team", "permissions": ["read", "update"]}, set()),
        ({"globals": True, "permissions": ["read"]}, set()),
    ],
)
def test_what_can_be_listed_is_told(ada: Caller, kv: Kv, grant: dict[str, object], listed: set[str]) -> None:
    for name in ("team/a/x/y", "other/z"):
        kv.put(name, {})
    token = kv_of(ada.token(grant))
    for below, mount in itertools.product(
        ("", "team", "team/", "team/a", "team/a/x", "other"), ("secret/metadata", "kv")
    ):
        path = f"{mount}/{below}"
        told = token("POST", "sys/capabilities-self", {"paths": [path]}).data["capabilities"]
        assert ("list" in told) == (below in listed) == (token("LIST", path).status == 200), path
    for path in ("secret/metadata", "kv"):
        told = token("POST", "sys/capabilities-self", {"paths": [path]}).data["capabilities"]
        assert told == (["list"] if listed else ["deny"])


def test_what_every_token_may_call_is_told(ada: Caller) -> None:
    reader = kv_of(ada.token({"path": "team", "permissions": ["read"]}))
    maker = kv_of(ada.token({"path": "team", "permissions": ["read", "delegate"]}))
    may = {
        "sys/mounts": ["read"], "sys/mounts/secret": ["read"], "sys/internal/ui/mounts/secret/a": ["read"],
        "sys/wrapping/wrap": ["update"], "sys/capabilities-self": ["update"], "auth/token/accessors": ["list", "read"],
        "auth/token/renew-self": ["update"], "auth/token/lookup-self": ["read", "update"], "sys/health": ["read"],
        "auth/token/create/role": ["deny"], "sys/policies/acl": ["deny"], "secret/data": ["deny"], "": ["deny"],
        "secret": ["deny"], "secret/x": ["deny"], "secret/metadata//": ["deny"], "auth/token/create": ["deny"],
    }  # fmt: skip
    assert {path: reader("POST", "sys/capabilities-self", {"paths": [path]}).data[path] for path in may} == may
    found = maker("POST", "sys/capabilities-self", {"paths": ["auth/token/create"]}).data
    assert found["capabilities"] == ["update"]


def test_a_grant_on_one_environment_shows_in_the_capabilities(ada: Caller, kv: Kv) -> None:
    kv.put("prod", {})
    token = kv_of(ada.token({"environment": "prod", "permissions": ["read"]}))
    assert token("POST", "sys/capabilities-self", {"paths": ["secret/data/prod"]}).data["capabilities"] == ["read"]


@pytest.mark.parametrize("body", [{}, {"paths": []}, {"paths": [1]}, {"paths": ["a"] * 101}])
def test_capabilities_take_paths(kv: Kv, body: dict[str, object]) -> None:
    assert kv("POST", "sys/capabilities-self", body).status == 400


# -- What is not offered --


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "sys/policies/acl"), ("PUT", "sys/seal"), ("PUT", "sys/unseal"), ("POST", "sys/mounts/other"),
        ("GET", "transit/keys/x"), ("GET", "cubbyhole/x"), ("GET", "sys/raw/core"), ("GET", "identity/entity"),
        ("POST", "auth/userpass/users/eve"), ("POST", "auth/token/create/role"), ("GET", "pki/ca"), ("GET", ""),
        ("GET", "secret"), ("GET", "secret/"), ("DELETE", "sys/mounts/secret"),
    ],
)  # fmt: skip
def test_what_is_not_offered_is_404_or_405_in_vaults_form(kv: Kv, method: str, path: str) -> None:
    answer = kv(method, path)
    assert answer.status in (404, 405)
    assert len(answer.errors) == (answer.status == 405)


@pytest.mark.parametrize("method", ["FOO", "PATCH", "DELETE", "LIST"])
def test_another_method_is_405_in_vaults_form(kv: Kv, method: str) -> None:
    answer = kv(method, "auth/token/lookup-self")
    assert (answer.status, len(answer.errors)) == (405, 1)


def test_nothing_but_the_allow_list_answers_without_a_token(vault: Vault, nobody: Kv) -> None:
    # CVE-2026-5807: walk the whole map of addresses.
    seen = 0
    for rule in vault.app.url_map.iter_rules():
        if not rule.rule.startswith("/v1/"):
            continue
        path = rule.rule.removeprefix("/v1/")
        for name, value in (("<path:path>", "prod"), ("<mount>", "secret"), ("<user>", "nobody")):
            path = path.replace(name, value)
        for method in (rule.methods or set()) - {"OPTIONS"}:
            answer = nobody(method, path, {} if method in ("POST", "PUT", "PATCH") else None)
            if rule.rule not in _PUBLIC:
                assert answer.status == 403, (method, path)
                assert method == "HEAD" or answer.errors == ["permission denied"]
                seen += 1
    assert seen > 40
    for method, path in (("GET", "nothing"), ("OPTIONS", "secret/data/prod"), ("FOO", "sys/health/x"), ("GET", "")):
        assert nobody(method, path).status == 403


def test_no_answer_redirects(kv: Kv, nobody: Kv) -> None:
    for path in ("sys/health/", "secret/metadata", "secret/metadata/", "kv/", "auth/token/lookup-self/", "/sys/health"):
        assert kv("GET", path + "?list=true").status < 300 or kv("GET", path).status >= 400
