"""Tickets for a page's WebSocket, and calls that a page makes by itself."""

from __future__ import annotations

import pytest

from tests.api.conftest import Vault
from tests.support.vaults import HOST, run_sql, write
from tests.web.conftest import ORIGIN, SAME_ORIGIN, Visitor
from vault.errors import NotAuthenticated
from vault.model.action import Action
from vault.model.clock import SECOND_US
from vault.services.audit import record
from vault.storage import UnitOfWork


def session_of(visitor: Visitor, vault: Vault) -> str:
    """The id of the visitor's session."""
    cookie = visitor.client.get_cookie("__Host-strongroom", "localhost")
    assert cookie
    return vault.services.people.sessions.authenticate(cookie.value, "web", "127.0.0.1", "test").id


def test_a_ticket_is_for_the_session_of_the_page_and_works_once(ada: Visitor, vault: Vault) -> None:
    answer = ada.ask("/sync/ticket", {})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.json
    ticket = answer.json["ticket"]
    assert ticket.startswith("srm_")
    assert vault.services.sync.tickets.redeem(ticket) == session_of(ada, vault)
    with pytest.raises(NotAuthenticated):
        vault.services.sync.tickets.redeem(ticket)


@pytest.mark.parametrize(
    "headers",
    [{}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}],
)
def test_no_other_page_gets_a_ticket(ada: Visitor, headers: dict[str, str]) -> None:
    sent = {"Accept": "application/json", "X-CSRF-Token": ada.token, **headers}
    assert ada.client.post("/sync/ticket", base_url=ORIGIN, json={}, headers=sent).status_code == 403


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_a_ticket_needs_the_token_of_the_page(ada: Visitor, token: str) -> None:
    sent = SAME_ORIGIN | {"Accept": "application/json", "X-CSRF-Token": token}
    assert ada.client.post("/sync/ticket", base_url=ORIGIN, json={}, headers=sent).status_code == 403


def test_a_stranger_gets_no_ticket(visitor: Visitor) -> None:
    visitor.get("/login")
    assert visitor.ask("/sync/ticket", {}).status_code == 401
    assert visitor.client.get("/sync/ticket", base_url=ORIGIN).status_code in (303, 404, 405)


def test_calls_that_a_page_makes_by_itself_are_no_use_of_the_session(ada: Visitor, vault: Vault) -> None:
    place = ada.make("prod", A="1")
    id_ = session_of(ada, vault)
    for path, is_use in ((f"{place}/news", False), ("/sync/ticket", False), (f"{place}/values", True)):
        before = idle(vault, id_)
        assert ada.ask(path, {"revision": 1} if path.endswith("/news") else {}).status_code == 200
        vault.services.touches.flush()
        assert (seen(vault, id_) != before) is is_use, path


def seen(vault: Vault, session_id: str) -> int:
    """When the session was last used."""
    ((seen_us,),) = run_sql(vault.services, "SELECT seen_us FROM sessions WHERE id = :id", id=session_id)
    return int(seen_us)


def idle(vault: Vault, session_id: str) -> int:
    """Let the session's last use be five minutes ago. Returns that time."""

    def change(unit: UnitOfWork) -> None:
        row = unit.sessions.by_id(session_id, lock=True)
        assert row
        unit.sessions.change(row, seen_us=vault.services.clock() - 300 * SECOND_US)
        # Any action will do: the audit is only to know the new versions of these rows.
        record(unit, HOST, Action.SESSION_BEGIN, user_id=row.user_id)

    vault.services.touches.flush()
    write(vault.services, change)
    return seen(vault, session_id)
