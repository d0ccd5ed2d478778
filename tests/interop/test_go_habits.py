"""What Go clients (Vault Agent, External Secrets, consul-template) do that others do not, by hand over real TLS."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.interop.by_hand import ByHand
from tests.interop.conftest import Place


@pytest.fixture
def go(vault_server: Place) -> Iterator[ByHand]:
    made = ByHand(vault_server, X_Vault_Token=vault_server.token, X_Vault_Request="true")
    yield made
    made.connection.close()


def test_a_put_without_a_content_type_writes(go: ByHand) -> None:
    assert go("PUT", "secret/data/go/put", {"data": {"A": "1"}})[0] == 200
    assert go("GET", "secret/data/go/put")[1]["data"]["data"] == {"A": "1"}


def test_list_is_a_verb_with_or_without_a_slash(go: ByHand) -> None:
    go("PUT", "secret/data/go-list/a", {"data": {}})
    for path in ("secret/metadata/go-list", "secret/metadata/go-list/"):
        for method, query in (("LIST", ""), ("GET", "?list=true"), ("GET", "?list=1")):
            assert go(method, path + query)[1]["data"]["keys"] == ["a"]


def test_nothing_redirects(go: ByHand) -> None:
    for path in ("secret/metadata", "secret/metadata/", "sys/mounts/", "sys/health/", "auth/token/lookup-self/"):
        assert go("GET", f"{path}?list=true")[0] < 300
    assert go("GET", "secret/data//x")[0] in (400, 404)


def test_external_secrets_pushes_metadata_before_data(go: ByHand) -> None:
    managed = {"custom_metadata": {"managed-by": "external-secrets"}}
    assert go("GET", "secret/metadata/go-push") == (404, {"errors": []})
    assert go("PUT", "secret/metadata/go-push", managed)[0] == 204
    assert go("GET", "secret/data/go-push") == (404, {"errors": []})
    assert go("PUT", "secret/data/go-push", {"data": {"A": "1"}, "options": {"cas": 0}})[0] == 200
    assert go("PUT", "secret/data/go-push", {"data": {"A": "1"}, "options": {"cas": 0}})[0] == 400
    assert go("DELETE", "secret/metadata/go-push")[0] == 204


def test_delete_sends_texts_for_versions(go: ByHand) -> None:
    go("PUT", "secret/data/go-delete", {"data": {"A": "1"}})
    assert go("PUT", "secret/delete/go-delete", {"versions": ["1"]})[0] == 204
    status, body = go("GET", "secret/data/go-delete")
    assert (status, body["data"]["data"]) == (404, None)


def test_the_vault_command_asks_for_the_mount_first(go: ByHand) -> None:
    status, body = go("GET", "sys/internal/ui/mounts/secret/go/put")
    assert (status, body["data"]["path"], body["data"]["options"]) == (200, "secret/", {"version": "2"})


def test_namespaces_are_taken_and_ignored(go: ByHand) -> None:
    assert go("GET", "auth/token/lookup-self", X_Vault_Namespace="team/a")[0] == 200


def test_a_body_that_is_too_large_is_told_in_vaults_form(go: ByHand) -> None:
    status, body = go("PUT", "secret/data/go-large", {"data": {"A": "x" * (2 << 20)}})
    assert status == 413
    assert list(body) == ["errors"]


def test_traversal_over_the_wire_reaches_nothing(go: ByHand) -> None:
    go("PUT", "secret/data/go-other", {"data": {"A": "canary"}})
    for path in ("x/../go-other", "%2e%2e/go-other", "x%2f..%2fgo-other", "x/%2e%2e/go-other", "./go-other"):
        status, body = go("GET", f"secret/data/{path}")
        assert status in (400, 404)
        assert "canary" not in json.dumps(body)
