"""A change and its event are stored together or not at all, and no event holds what it must not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.vaults import PASSWORD, add_environment, add_person, add_token, grant, log_in, patch, run_sql, write
from vault.errors import NotFound
from vault.model.environment import Variable
from vault.model.principal import Principal
from vault.services import Services
from vault.storage.tables import audit_events


def actions(vault: Services) -> list[str]:
    return [row[0] for row in run_sql(vault, "SELECT action FROM audit_events ORDER BY at_us, id")]


def events(vault: Services, action: str) -> list[Any]:
    with vault.storage.read() as unit:
        return list(unit.connection.execute(audit_events.select().where(audit_events.c.action == action)))


def test_every_change_has_its_event(vault: Services, ada: Principal) -> None:
    before = len(actions(vault))
    row = add_environment(vault, ada, "prod", A="1")
    patch(vault, ada, "prod", A="2")
    write(vault, lambda unit: vault.environments.history.rollback(unit, ada, "prod", 1))
    write(vault, lambda unit: vault.environments.environments.change(unit, ada, "prod", {"name": "new"}))
    token = add_token(vault, ada, grant("read", path="*"))
    write(vault, lambda unit: vault.tokens.tokens.rotate(unit, ada, token.id, 0))
    write(vault, lambda unit: vault.tokens.tokens.revoke(unit, ada, token.id))
    write(vault, lambda unit: vault.environments.environments.delete(unit, ada, row.id))
    write(vault, lambda unit: vault.environments.environments.undelete(unit, ada, row.id, None))
    session = log_in(vault, "ada")
    write(vault, lambda unit: vault.people.sessions.revoke(unit, ada, session.session.id))
    assert actions(vault)[before:] == [
        "environment.create",
        "revision.write",
        "revision.write",
        "revision.write",
        "environment.change",
        "token.create",
        "token.rotate",
        "token.revoke",
        "environment.delete",
        "environment.undelete",
        "session.begin",
        "session.revoke",
    ]


def test_an_event_says_who_what_and_which_rows(vault: Services, ada: Principal) -> None:
    row = add_environment(vault, ada, "prod", A="1")
    [event] = events(vault, "revision.write")
    assert (event.actor, event.user_id, event.result) == (ada.label, ada.user_id, "ok")
    assert (event.environment_id, event.revision, event.request_id) == (row.id, 1, "request")
    assert len(event.blob_sha256) == 32
    with vault.storage.read() as unit:
        written = unit.environments.by_name(ada.user_id, "prod")
    assert written is not None
    for told in ("environments", "revisions", row.id, written.mac.hex()):
        assert told in event.rows


def test_a_change_that_fails_leaves_no_event(vault: Services, ada: Principal) -> None:
    before = actions(vault)

    def fail(unit: Any) -> None:
        vault.environments.environments.create(unit, ada, "prod")
        vault.environments.environments.delete(unit, ada, "nothing")

    with pytest.raises(NotFound):
        write(vault, fail)
    assert actions(vault) == before


def test_no_event_holds_a_value_a_name_a_password_or_a_token(vault: Services, ada: Principal) -> None:
    add_person(vault, "carol")
    row = add_environment(vault, ada, "prod", CANARY_NAME_5e="canary-value-5e")
    variable = Variable("CANARY_NAME_5e", "canary-value-5e", description="canary-description-5e")
    write(vault, lambda unit: vault.environments.variables.put_one(unit, ada, row.id, variable))
    token = add_token(vault, ada, grant("read", path="*"))
    secrets = [log_in(vault, "ada").secret, token.secret or ""]
    stored = "".join(
        bytes(column).hex() + bytes(column).decode("latin-1") if isinstance(column, bytes | memoryview) else str(column)
        for event in run_sql(vault, "SELECT * FROM audit_events")
        for column in event
    )
    assert row.id in stored
    for canary in ("CANARY_NAME_5e", "canary-value-5e", "canary-description-5e", PASSWORD, *secrets):
        assert canary not in stored
