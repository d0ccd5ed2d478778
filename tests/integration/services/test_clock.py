"""One clock: what is stored has the time of the vault's clock, whatever stores it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.vaults import HOST, FakeClock, add_environment, add_person, add_token, grant, patch, run_sql, values
from vault.errors import BadLogin
from vault.jobs.drain import drain
from vault.model.clock import DAY_US
from vault.model.principal import Principal
from vault.services import Services
from vault.services.keys.locking import lock


def _refused(vault: Services, _: Principal) -> None:
    vault.audit.reads.turned_away(BadLogin(), None, address="192.0.2.7", request_id="", call="POST /login")


def _locked(vault: Services, _: Principal) -> None:
    lock(vault.storage, HOST)


def _rotated(vault: Services, _: Principal) -> None:
    vault.keys.master.rotate(HOST, wait_seconds=0)


EVENTS: dict[str, Callable[[Services, Principal], object]] = {
    "a write": lambda vault, who: patch(vault, who, "prod", A="2"),
    "a read": lambda vault, who: values(vault, who, "prod"),
    "a refusal": _refused,
    "a token": lambda vault, who: add_token(vault, who, grant("read", environment="prod")),
    "a rotation": _rotated,
    "a lock": _locked,
}


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_has_the_time_of_the_clock(vault: Services, ada: Principal, clock: FakeClock, name: str) -> None:
    add_environment(vault, ada, "prod", A="1")
    drain(vault)
    before = {row.id for row in run_sql(vault, "SELECT id FROM audit_events")}
    clock.us -= 100 * DAY_US
    EVENTS[name](vault, ada)
    drain(vault)
    found = [row for row in run_sql(vault, "SELECT id, at_us FROM audit_events") if row.id not in before]
    assert [row.at_us for row in found] == [clock.us] * len(found) != []
    # The id begins with the time too, in milliseconds (RFC 9562, section 5.7).
    assert {int(row.id.replace("-", "")[:12], 16) for row in found} == {clock.us // 1000}


def test_a_key_has_the_time_of_the_clock(vault: Services, clock: FakeClock) -> None:
    clock.us -= 100 * DAY_US
    who = add_person(vault, "zoe")
    [key] = run_sql(vault, "SELECT created_us FROM user_keys WHERE owner_id = :id", id=who.user_id)
    assert key.created_us == clock.us
    vault.keys.system.rotate(HOST)
    assert [clock.us] == [
        row.created_us
        for row in run_sql(vault, "SELECT created_us FROM user_keys WHERE owner_id IS NULL AND state = 'active'")
    ]
