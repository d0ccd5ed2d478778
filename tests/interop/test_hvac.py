"""hvac, the Vault client for Python, unchanged, against a real server: logins, every call of KV version 2, wrapping."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hvac
import pytest
from hvac import exceptions

from tests.interop.conftest import Place


def _client(place: Place, token: str | None = None) -> Any:
    return hvac.Client(place.url, token=token, verify=str(place.ca_file))


@pytest.fixture
def client(vault_server: Place) -> Iterator[Any]:
    """A client with a service token that may do all."""
    made = _client(vault_server, vault_server.token)
    yield made
    made.adapter.close()


@pytest.fixture
def nobody(vault_server: Place) -> Iterator[Any]:
    """A client with a token that is none."""
    made = _client(vault_server, "hvs.stale")
    yield made
    made.adapter.close()


@pytest.fixture
def kv(client: Any) -> Any:
    """KV version 2."""
    return client.secrets.kv.v2


def test_a_token_is_known_to_be_good(client: Any) -> None:
    assert client.is_authenticated() is True


def test_a_bad_token_is_known_to_be_bad(nobody: Any) -> None:
    assert nobody.is_authenticated() is False


def test_a_person_logs_in_over_a_stale_token(nobody: Any, vault_server: Place) -> None:
    nobody.auth.userpass.login(username=vault_server.username, password=vault_server.password)
    assert nobody.is_authenticated()
    nobody.logout(revoke_token=True)
    assert not nobody.is_authenticated()


def test_a_role_logs_in(nobody: Any, vault_server: Place) -> None:
    auth = nobody.auth.approle.login(role_id=vault_server.role_id, secret_id=vault_server.secret_id)
    assert auth["auth"]["renewable"] is True
    assert nobody.token != vault_server.token
    assert nobody.is_authenticated()
    assert nobody.auth.token.renew_self(increment="2h")["auth"]["lease_duration"] == 7200
    nobody.auth.token.revoke_self()


def test_bad_logins_are_invalid_requests(nobody: Any, vault_server: Place) -> None:
    with pytest.raises(exceptions.InvalidRequest, match="invalid username or password"):
        nobody.auth.userpass.login(username=vault_server.username, password="wrong")
    with pytest.raises(exceptions.InvalidRequest, match="invalid role or secret ID"):
        nobody.auth.approle.login(role_id="0" * 12, secret_id="0" * 43)


def test_a_secret_is_written_read_and_listed(kv: Any) -> None:
    written = kv.create_or_update_secret("hvac/basic", {"USER": "ada", "PORT": 5432, "NESTED": {"a": [1.5]}})
    assert written["data"]["version"] == 1
    read = kv.read_secret_version("hvac/basic", raise_on_deleted_version=True)
    assert read["data"]["data"] == {"USER": "ada", "PORT": 5432, "NESTED": {"a": [1.5]}}
    assert kv.list_secrets("hvac")["data"]["keys"] == ["basic"]
    assert "hvac/" in kv.list_secrets("")["data"]["keys"]


def test_check_and_set_refuses_a_stale_write(kv: Any) -> None:
    kv.create_or_update_secret("hvac-cas", {"A": "1"}, cas=0)
    with pytest.raises(exceptions.InvalidRequest, match="check-and-set parameter did not match the current version"):
        kv.create_or_update_secret("hvac-cas", {"A": "2"}, cas=0)
    kv.create_or_update_secret("hvac-cas", {"A": "2"}, cas=1)


# hvac warns of a default of its own that will change.
@pytest.mark.filterwarnings("ignore:The raise_on_deleted_version parameter:DeprecationWarning")
def test_a_secret_is_patched(kv: Any) -> None:
    kv.create_or_update_secret("hvac-patch", {"A": "1", "B": "2"})
    kv.patch("hvac-patch", {"B": "3"})
    assert kv.read_secret_version("hvac-patch", raise_on_deleted_version=True)["data"]["data"] == {"A": "1", "B": "3"}
    with pytest.raises(exceptions.InvalidPath):
        kv.patch("hvac-never", {"B": "3"})


def test_a_deleted_version_is_told_with_its_metadata(kv: Any) -> None:
    kv.create_or_update_secret("hvac-deleted", {"A": "1"})
    kv.delete_latest_version_of_secret("hvac-deleted")
    with pytest.raises(exceptions.InvalidPath):
        kv.read_secret_version("hvac-deleted", raise_on_deleted_version=True)
    found = kv.read_secret_version("hvac-deleted", raise_on_deleted_version=False)
    assert found["data"]["data"] is None
    assert found["data"]["metadata"]["deletion_time"]


def test_versions_are_deleted_brought_back_and_destroyed(kv: Any) -> None:
    for number in (1, 2, 3):
        kv.create_or_update_secret("hvac-versions", {"N": number})
    assert kv.delete_secret_versions("hvac-versions", [1, 2]).status_code == 204
    assert kv.undelete_secret_versions("hvac-versions", [1]).status_code == 204
    assert kv.destroy_secret_versions("hvac-versions", [2]).status_code == 204
    read = kv.read_secret_version("hvac-versions", version=1, raise_on_deleted_version=True)
    assert read["data"]["data"] == {"N": 1}
    gone = kv.read_secret_version("hvac-versions", version=2, raise_on_deleted_version=False)
    assert gone["data"]["metadata"]["destroyed"] is True


def test_metadata_is_set_patched_and_deleted(kv: Any) -> None:
    kv.update_metadata("hvac-meta", max_versions=5, delete_version_after="30m", custom_metadata={"owner": "ada"})
    found = kv.read_secret_metadata("hvac-meta")["data"]
    assert (found["max_versions"], found["delete_version_after"]) == (5, "30m0s")
    assert (found["custom_metadata"], found["current_version"]) == ({"owner": "ada"}, 0)
    assert kv.delete_metadata_and_all_versions("hvac-meta").status_code == 204
    with pytest.raises(exceptions.InvalidPath):
        kv.read_secret_metadata("hvac-meta")


def test_max_versions_of_1001_are_refused(kv: Any) -> None:
    with pytest.raises(exceptions.InvalidRequest, match="max_versions"):
        kv.update_metadata("hvac-many", max_versions=1001)


def test_the_engine_is_configured(kv: Any) -> None:
    before = kv.read_configuration()["data"]
    assert kv.configure(max_versions=20, cas_required=False, delete_version_after="0s").status_code == 204
    assert kv.read_configuration()["data"]["max_versions"] == 20
    kv.configure(max_versions=before["max_versions"])


def test_subkeys_are_read(kv: Any) -> None:
    kv.create_or_update_secret("hvac-subkeys", {"A": {"b": "c"}})
    found = kv._adapter.get("/v1/secret/subkeys/hvac-subkeys")["data"]["subkeys"]
    assert found == {"A": {"b": None}}


def test_version_one_reads_and_writes_the_same(client: Any) -> None:
    first = client.secrets.kv.v1
    first.create_or_update_secret("hvac-one", {"A": "1"}, mount_point="kv")
    assert first.read_secret("hvac-one", mount_point="kv")["data"] == {"A": "1"}
    assert "hvac-one" in first.list_secrets("", mount_point="kv")["data"]["keys"]
    first.delete_secret("hvac-one", mount_point="kv")
    with pytest.raises(exceptions.InvalidPath):
        first.read_secret("hvac-one", mount_point="kv")


def test_errors_are_of_the_right_class(kv: Any, nobody: Any, vault_server: Place) -> None:
    with pytest.raises(exceptions.InvalidPath):
        kv.read_secret_version("hvac-never", raise_on_deleted_version=True)
    with pytest.raises(exceptions.Forbidden, match="permission denied"):
        nobody.secrets.kv.v2.read_secret_version("hvac-basic", raise_on_deleted_version=True)
    reader = _client(vault_server, vault_server.reader)
    with pytest.raises(exceptions.Forbidden, match="permission denied"):
        reader.secrets.kv.v2.create_or_update_secret("prod", {})
    reader.adapter.close()


def test_a_secret_of_2_mib_is_refused_with_its_sentence(kv: Any) -> None:
    with pytest.raises(exceptions.VaultError, match="at most"):
        kv.create_or_update_secret("hvac-large", {"A": "x" * (2 << 20)})


def test_an_answer_is_wrapped_and_unwrapped_once(client: Any, nobody: Any) -> None:
    token = client.sys.wrap({"A": "1"}, ttl=60)["wrap_info"]["token"]
    assert nobody.sys.unwrap(token)["data"] == {"A": "1"}
    with pytest.raises(exceptions.InvalidRequest):
        nobody.sys.unwrap(token)


def test_a_child_is_made_looked_up_and_revoked(client: Any, vault_server: Place) -> None:
    made = client.auth.token.create(ttl="1h", policies=["path:prod:read"], meta={"job": "7"}, display_name="job")
    accessor = made["auth"]["accessor"]
    child = _client(vault_server, made["auth"]["client_token"])
    assert child.auth.token.lookup_self()["data"]["meta"] == {"job": "7"}
    assert client.auth.token.lookup_accessor(accessor)["data"]["policies"] == ["path:prod:read"]
    assert accessor in client.auth.token.list_accessors()["data"]["keys"]
    client.auth.token.revoke_accessor(accessor)
    assert not child.is_authenticated()
    child.adapter.close()


def test_the_state_of_the_server_is_told(client: Any) -> None:
    assert client.sys.is_initialized() is True
    assert client.sys.is_sealed() is False
    assert client.sys.read_leader_status()["is_self"] is True
    assert client.sys.read_health_status(method="GET")["sealed"] is False
    assert client.sys.read_health_status().status_code == 200
    assert "secret/" in client.sys.list_mounted_secrets_engines()["data"]
    assert client.sys.get_capabilities(["secret/data/x"])["data"]["capabilities"]
