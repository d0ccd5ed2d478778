"""secretspec and fnox: the requests that the real programs made, by hand over real TLS.

They were recorded in November 2026 with secretspec 0.21.1 (its Python package) and fnox 1.31.0 in front of a real
server. fnox runs the `vault` program, for which OpenBao 2.7.2 stood in.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.by_hand import ByHand
from tests.interop.conftest import Place

# Where secretspec keeps the value of a name: secretspec/PROJECT/PROFILE/NAME.
SHOP = "secretspec/shop/default"


@pytest.fixture
def secretspec(vault_server: Place) -> Iterator[ByHand]:
    made = ByHand(vault_server, x_vault_token=vault_server.token, accept="*/*")
    yield made
    made.connection.close()


@pytest.fixture
def program(vault_server: Place) -> Iterator[ByHand]:
    """The `vault` program, as fnox runs it."""
    made = ByHand(vault_server, X_Vault_Token=vault_server.token, X_Vault_Request="true")
    yield made
    made.connection.close()


def test_secretspec_stores_what_it_generates_and_reads_it(secretspec: ByHand) -> None:
    path = f"secret/data/{SHOP}/GENERATED"
    assert secretspec("GET", path) == (404, {"errors": []})
    stored = secretspec("POST", path, {"data": {"value": "qgK8QnwR"}}, content_type="application/json")
    assert stored[0] == 200
    assert secretspec("GET", path)[1]["data"]["data"] == {"value": "qgK8QnwR"}


def test_secretspec_reads_version_1(secretspec: ByHand, program: ByHand) -> None:
    assert program("PUT", f"kv/{SHOP}/API_KEY", {"value": 'k"ey'})[0] == 204
    assert secretspec("GET", f"kv/{SHOP}/API_KEY")[1]["data"] == {"value": 'k"ey'}
    assert secretspec("GET", f"kv/{SHOP}/OPTIONAL") == (404, {"errors": []})


def test_secretspec_logs_in_as_a_role(vault_server: Place, secretspec: ByHand) -> None:
    secretspec("POST", f"secret/data/{SHOP}/ROLE", {"data": {"value": "1"}}, content_type="application/json")
    role = {"role_id": vault_server.role_id, "secret_id": vault_server.secret_id}
    nobody = ByHand(vault_server, accept="*/*")
    status, answer = nobody("POST", "auth/approle/login", role, content_type="application/json")
    assert status == 200
    token = answer["auth"]["client_token"]
    assert nobody("GET", f"secret/data/{SHOP}/ROLE", x_vault_token=token)[1]["data"]["data"] == {"value": "1"}
    nobody.connection.close()


def test_secretspec_tells_a_bad_token_by_403(vault_server: Place) -> None:
    stranger = ByHand(vault_server, x_vault_token="srm_t_nope", accept="*/*")
    assert stranger("GET", f"secret/data/{SHOP}/API_KEY") == (403, {"errors": ["permission denied"]})
    stranger.connection.close()


def test_secretspecs_namespace_is_taken_and_ignored(secretspec: ByHand) -> None:
    assert secretspec("GET", f"secret/data/{SHOP}/NONE", x_vault_namespace="team-a") == (404, {"errors": []})


def test_fnox_stores_a_value_and_reads_it_by_its_field(program: ByHand) -> None:
    status, mount = program("GET", "sys/internal/ui/mounts/secret/fnox/FOUR")
    assert (status, mount["data"]["path"], mount["data"]["options"]) == (200, "secret/", {"version": "2"})
    assert program("PUT", "secret/data/fnox/FOUR", {"data": {"value": "four"}, "options": {}})[0] == 200
    assert program("GET", "secret/data/fnox/FOUR")[1]["data"]["data"]["value"] == "four"


def test_fnox_tests_its_provider(program: ByHand) -> None:
    status, seal = program("GET", "sys/seal-status")
    assert (status, seal["sealed"], seal["initialized"]) == (200, False, True)
    assert program("GET", "sys/leader")[0] == 200
