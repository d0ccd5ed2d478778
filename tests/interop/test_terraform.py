"""Terraform's `vault` provider: the requests that the real one made, by hand over real TLS.

They were recorded in November 2026 with Terraform 1.11.4 and the provider's version 1.9.0 in front of a real server:
`vault_generic_secret` as a resource and as a data source, through apply, a change and destroy.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.by_hand import ByHand
from tests.interop.conftest import Place

CHILD = {
    "ttl": "1200s",
    "explicit_max_ttl": "1200s",
    "display_name": "terraform",
    "num_uses": 0,
    "renewable": False,
    "type": "",
}


@pytest.fixture
def provider(vault_server: Place) -> Iterator[ByHand]:
    """The provider with the child token that it makes before anything else."""
    maker = ByHand(vault_server, X_Vault_Token=vault_server.token, X_Vault_Request="true")
    assert maker("GET", "auth/token/lookup-self")[0] == 200
    status, made = maker("POST", "auth/token/create", CHILD)
    assert (status, made["auth"]["lease_duration"], made["auth"]["renewable"]) == (200, 1200, False)
    maker.connection.close()
    child = ByHand(vault_server, X_Vault_Token=made["auth"]["client_token"], X_Vault_Request="true")
    yield child
    child.connection.close()


def test_a_secret_is_made_changed_read_and_deleted(provider: ByHand) -> None:
    assert provider("GET", "sys/internal/ui/mounts/secret/tf/one")[1]["data"]["options"] == {"version": "2"}
    for values in ({"a": "1", "b": "two"}, {"a": "1", "b": "three"}):
        assert provider("PUT", "secret/data/tf/one", {"data": values, "options": {}})[0] == 200
        assert provider("GET", "secret/data/tf/one")[1]["data"]["data"] == values
    assert provider("GET", "secret/data/tf/one?version=1")[1]["data"]["data"] == {"a": "1", "b": "two"}
    assert provider("DELETE", "secret/data/tf/one") == (204, None)
    assert provider("GET", "secret/data/tf/one")[0] == 404


def test_a_secret_of_version_1_is_made_read_and_deleted(provider: ByHand) -> None:
    mount = provider("GET", "sys/internal/ui/mounts/kv/tf/old")[1]["data"]
    assert (mount["path"], mount["options"]) == ("kv/", {"version": "1"})
    assert provider("PUT", "kv/tf/old", {"x": "y"}) == (204, None)
    assert provider("GET", "kv/tf/old")[1]["data"] == {"x": "y"}
    assert provider("DELETE", "kv/tf/old") == (204, None)
    assert provider("GET", "kv/tf/old") == (404, {"errors": []})
