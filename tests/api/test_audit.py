"""`/audit` and `/operator/audit`: one's own trail, an operator's search, and what is turned away on the way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Caller, Vault
from tests.support.vaults import HOST, log_in
from vault.jobs.drain import drain
from vault.model.principal import Role


@pytest.fixture
def root(vault: Vault) -> Caller:
    """An operator who has just given their password."""
    person = vault.person("root")
    with vault.services.storage.write() as unit:
        vault.services.people.accounts.set_role(unit, HOST, person.username, Role.OPERATOR)
    session = log_in(vault.services, person.username, address="127.0.0.1")
    return Caller(vault.app, session.secret, person.id, person.username, session.session.id)


def trail(vault: Vault, caller: Caller, path: str = "/audit") -> list[dict[str, Any]]:
    """All items of a list, page by page, the oldest first."""
    drain(vault.services)
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        joint = "&" if "?" in path else "?"
        page = caller.ok("GET", f"{path}{joint}limit=7" + (f"&cursor={cursor}" if cursor else ""))
        items += page["items"]
        cursor = page["next"]
    return items[::-1]


def test_my_trail_tells_what_i_did_page_by_page(vault: Vault, ada: Caller) -> None:
    made = ada.make("prod", A="1")
    for _ in range(10):
        ada.ok("GET", "/environments/prod/values")
    found = trail(vault, ada)
    reads = [item for item in found if item["action"] == "values.read"]
    assert len(reads) == 10
    assert {item["environment_id"] for item in reads} == {made["id"]}
    assert len({item["id"] for item in found}) == len(found)
    assert reads[0].keys() == {
        "id", "at", "action", "result", "actor", "environment_id", "revision", "address", "request_id", "details"
    }  # fmt: skip


def test_nobody_else_s_trail_is_mine(vault: Vault, ada: Caller, bob: Caller) -> None:
    ada.make("prod", A="1")
    assert "revision.write" not in [item["action"] for item in trail(vault, bob)]


def test_a_token_reads_no_trail(vault: Vault, ada: Caller) -> None:
    token = ada.token({"path": "*", "permissions": ["read"]})
    assert token("GET", "/audit").status == 403
    [told] = [item for item in trail(vault, ada) if item["action"] == "refused"]
    assert (told["result"], told["actor"], told["details"]) == (
        "forbidden", f"token:{token.id}", {"call": "audit.own_trail"}
    )  # fmt: skip


def test_what_was_not_granted_is_told_to_the_owner(vault: Vault, ada: Caller) -> None:
    made = ada.make("prod", A="1")
    token = ada.token({"path": "team", "permissions": ["read"]})
    assert token("GET", f"/environments/{made['id']}/values").status == 404
    [told] = [item for item in trail(vault, ada) if item["action"] == "refused"]
    assert (told["result"], told["environment_id"]) == ("not_granted", made["id"])


def test_an_operator_searches_over_all(vault: Vault, ada: Caller, root: Caller) -> None:
    made = ada.make("prod", A="1", B="2")
    ada.ok("GET", "/environments/prod/values")
    for query in (f"user={ada.username}&action=values.read", f"environment_id={made['id']}&action=values.read"):
        [told] = trail(vault, root, f"/operator/audit?{query}")
        assert (told["user_id"], told["actor_id"], told["revision"]) == (ada.id, ada.id, 1)
    by_name = trail(vault, root, f"/operator/audit?variable=B&user={ada.username}")
    assert [item["action"] for item in by_name] == ["revision.write", "values.read"]
    assert trail(vault, root, "/operator/audit?since=2999-01-01T00:00:00Z") == []


def test_a_search_is_in_the_trail(vault: Vault, root: Caller) -> None:
    root.ok("GET", "/operator/audit?action=nothing")
    assert [item["action"] for item in trail(vault, root)].count("audit.search") == 1


def test_whoever_is_no_operator_is_refused(vault: Vault, ada: Caller) -> None:
    assert ada("GET", "/operator/audit").code == "forbidden"
    token = ada.token({"path": "*", "permissions": ["read"]})
    assert token("GET", "/operator/audit").code == "forbidden"
    assert vault.anyone()("GET", "/operator/audit").status == 401


def test_an_operator_gives_the_password_first(vault: Vault, root: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.model.principal.STEP_UP_SECONDS", -1)
    assert root("GET", "/operator/audit").code == "step_up_required"


def test_an_operator_s_call_from_elsewhere_is_refused(vault: Vault, root: Caller) -> None:
    client = vault.app.test_client()
    headers = {"Authorization": f"Bearer {root.secret}"}
    for environ in (
        {"REMOTE_ADDR": "192.0.2.9"},
        {"strongroom.forwarded_by_stranger": True},
        {"strongroom.forwarded_by_proxy": True},
        {"REMOTE_ADDR": ""},
    ):
        answer = client.get("/api/v1/operator/audit", headers=headers, environ_overrides=environ)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden")
    assert client.get("/api/v1/operator/audit", headers=headers).status_code == 200


@pytest.mark.parametrize("query", ["since=yesterday", "since=2026-01-01T00:00:00", "environment_id=prod", "who=ada"])
def test_what_cannot_be_asked_is_refused(query: str, root: Caller) -> None:
    assert root("GET", f"/operator/audit?{query}").status == 422


def test_strangers_are_gathered(vault: Vault, root: Caller) -> None:
    def counted() -> list[int]:
        # The minute is not over; this is what is done when it is.
        for gathered in vault.services.audit.reads._refusals.finished(all_minutes=True):
            vault.services.audit.reads._keep_gathered(gathered)
        found = trail(vault, root, "/operator/audit?action=refused&result=not_authenticated")
        calls = [item["details"] for item in found]
        return [told["count"] for told in calls if told["call"] == "environments.list_environments"]

    before = counted()
    for _ in range(5):
        assert vault.anyone("srm_t_nothing")("GET", "/environments").status == 401
    after = counted()
    assert sum(after) - sum(before) == 5
    assert len(after) - len(before) == 2


def test_a_read_that_cannot_be_recorded_is_503(vault: Vault, ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    ada.make("prod", A="1")

    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("vault.storage.spool.spool_file.os.pwrite", refuse)
        answer = ada("GET", "/environments/prod/values")
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "audit_unavailable", "1")
        assert b'"1"' not in answer.body
        assert ada("PATCH", "/environments/prod/variables", {"variables": {"A": "2"}}).status == 200
    ada.ok("GET", "/environments/prod/values")
