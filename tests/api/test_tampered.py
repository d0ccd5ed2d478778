"""Somebody has changed stored data: the caller learns nothing, and the log leads the operator to `doctor`."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from tests.api.conftest import Caller, Vault
from tests.support.vaults import run_sql

DOCTOR = "strongroom doctor --database"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE revisions SET blob = (SELECT metadata_blob FROM environments WHERE metadata_blob IS NOT NULL LIMIT 1)",
        "UPDATE environments SET max_versions = 7",
        "UPDATE data_keys SET blob = (SELECT blob FROM user_keys LIMIT 1)",
    ],
)
def test_tampered_data_lead_the_operator_to_doctor(vault: Vault, ada: Caller, change: str) -> None:
    body = {"name": "tampered", "description": "d", "variables": [{"name": "A", "value": "1"}]}
    ada.ok("POST", "/environments", body)
    run_sql(vault.services, f"{change} WHERE {_of_ada(change)}", id=ada.id)
    with vault.services.storage.read():
        vault.services.instance.keyring.purge()
    with capture_logs() as logs:
        answer = ada("GET", "/environments/tampered/values")
    assert (answer.status, answer.json["detail"]) == (500, "The server failed to answer.")
    told = [entry for entry in logs if entry["event"] == "request_failed"]
    assert [DOCTOR in entry["hint"] for entry in told] == [True]
    assert told[0]["request_id"] == answer.json["request_id"]


def _of_ada(change: str) -> str:
    own = "SELECT id FROM environments WHERE owner_id = :id AND name = 'tampered'"
    return f"id IN ({own})" if change.startswith("UPDATE environments") else f"environment_id IN ({own})"
