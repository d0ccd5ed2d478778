"""Forgetting a person finds the events by indexes, as owner and as actor: it must not read the whole audit."""

from __future__ import annotations

import re

import sqlalchemy as sa

from tests.integration.storage.spy import statements
from tests.support.vaults import add_person, write
from vault.services import Services, audit


def plan(vault: Services, statement: str) -> str:
    with vault.storage.writing.begin() as connection:
        if vault.storage.is_sqlite:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")
        else:
            # A small table is read as a whole unless that is forbidden.
            connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
            rows = connection.exec_driver_sql(f"EXPLAIN {statement}".replace("%", "%%"))
        return "\n".join(str(row) for row in rows)


def test_a_person_is_forgotten_by_indexes(vault: Services) -> None:
    person = add_person(vault, "carol")
    with statements(vault) as seen:
        assert write(vault, lambda unit: audit.forget(unit, person.user_id)) > 0
    (statement,) = [each for each in seen if re.match(r"\s*UPDATE audit_events", each)]
    found = plan(vault, statement)
    assert "ix_audit_events_user" in found
    assert "ix_audit_events_actor" in found
    assert "SCAN audit_events" not in found
    assert "Seq Scan" not in found
