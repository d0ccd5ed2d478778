"""The hot read: at most two statements, whatever there is to read, each by an index."""

from __future__ import annotations

import uuid
from typing import get_args, get_type_hints

import pytest
import sqlalchemy as sa

from tests.integration.storage.spy import statements
from tests.support.vaults import (
    add_environment,
    add_token,
    as_session,
    as_token,
    grant,
    log_in,
    patch,
    run_sql,
    values,
    write,
)
from vault.crypto import Key
from vault.errors import MacError
from vault.model.environment import Variable
from vault.model.principal import Principal
from vault.services import Services
from vault.services.environments.values import Question
from vault.storage import EnvironmentRow, HotReads, UnitOfWork
from vault.storage.signing.signed import RowSigner, SignedTable
from vault.storage.sql_types import RawRow


def stock(vault: Services, owner: Principal, template: EnvironmentRow, count: int) -> None:
    """Many more environments of the owner's; only their rows matter."""
    row = {name: value for name, value in template.values().items() if name not in ("mac", "mac_key_id", "row_version")}
    row |= {"current_revision_id": None, "metadata_blob": None}

    def add(unit: UnitOfWork) -> None:
        for number in range(count):
            unit.environments.add(**row | {"id": str(uuid.uuid4()), "name": f"other/{number:05}"})

    write(vault, add)


def test_values_with_a_token_take_two_statements_whatever_there_is_to_read(vault: Services, ada: Principal) -> None:
    small = add_environment(vault, ada, "small", A="1")
    many = {f"NAME_{number}": "x" * 20 for number in range(500)}
    add_environment(vault, ada, "large", **many)
    patch(vault, ada, None, G="{{H}}", H="2")
    grants = [grant("read", path=f"team/{number}") for number in range(60)]
    token = add_token(vault, ada, grant("read", path="*"), grant("read", globals=True), *grants)
    for reference in ("small", "large", small.id):
        with statements(vault) as seen:
            assert values(vault, as_token(vault, token.secret), reference)["G"] == "2"
        assert len(seen) == 2, seen


def test_values_with_a_session_take_two_statements(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    secret = log_in(vault, "ada").secret
    with statements(vault) as seen:
        values(vault, as_session(vault, secret), "prod")
        vault.environments.values.read(ada, None, Question())
    assert len(seen) == 3, seen


def test_an_answer_that_is_known_takes_the_same_two_statements(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    token = add_token(vault, ada, grant("read", path="*"))
    etag = vault.environments.values.read(as_token(vault, token.secret), "prod", Question()).etag
    with statements(vault) as seen:
        known = vault.environments.values.read(as_token(vault, token.secret), "prod", Question(), [etag])
    assert known.resolved is None
    assert len(seen) == 2, seen


def test_the_hot_reads_use_their_indexes_among_a_thousand_environments(vault: Services, ada: Principal) -> None:
    template = add_environment(vault, ada, "prod", A="1")
    stock(vault, ada, template, 1000)
    token = add_token(vault, ada, grant("read", path="*"))
    run_sql(vault, "ANALYZE")
    with statements(vault) as seen:
        values(vault, as_token(vault, token.secret), "prod")
        values(vault, as_token(vault, token.secret), template.id)
    explain = "EXPLAIN QUERY PLAN " if vault.storage.is_sqlite else "EXPLAIN "
    with vault.storage.reading.connect() as connection:
        for statement in seen:
            plan = "\n".join(
                str(tuple(row)) for row in connection.execute(sa.text(explain + statement.replace(":", r"\:")))
            )
            assert "SCAN environments" not in plan, plan
            assert "Seq Scan on environments" not in plan, plan
            if "FROM environments" in statement:
                assert "uq_environments_living" in plan, plan


def test_two_facts_of_one_person_are_read_by_name_or_id(vault: Services, ada: Principal) -> None:
    row = add_environment(vault, ada, "Caf\u00e9", A="1")
    for reference in (row.id, row.id.upper(), "Caf\u00e9", "Cafe\u0301"):
        assert values(vault, ada, reference) == {"A": "1"}
        assert vault.environments.variables.read(ada, reference).variables == (Variable("A", "1"),)


def test_each_value_has_the_type_that_its_noun_declares(vault: Services, ada: Principal) -> None:
    """SQLite's driver has no booleans, and the hot reads skip SQLAlchemy."""
    add_environment(vault, ada, "prod", A="1")
    token, hot = add_token(vault, ada, grant("read", globals=True)), vault.people.sessions._hot
    as_token(vault, token.secret)
    found = hot.token(token.id)
    session = hot.session(as_session(vault, log_in(vault, "ada").secret).id)
    own, _, globals_ = hot.layers(ada.user_id, "prod", None, by_id=False)
    assert found is not None
    assert session is not None
    assert own is not None
    assert globals_ is not None
    layers = (noun for layer in (own, globals_) for noun in layer[:4] if noun is not None)
    nouns = [found.token, found.user, *found.grants, session.session, session.user, *layers]
    assert {type(noun).__name__ for noun in nouns} == {
        "Token", "User", "GrantRow", "Session", "EnvironmentRow", "RevisionRow", "DataKey", "UserKey"
    }  # fmt: skip
    for noun in nouns:
        for name, hint in get_type_hints(type(noun)).items():
            value = getattr(noun, name)
            assert name == "others" or type(value) in (get_args(hint) or (hint,)), f"{type(noun).__name__}.{name}"


def test_a_row_that_the_old_keys_vouched_for_is_checked_again_by_the_new_ones(
    vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread replaces the keys while this one checks a row, and uses them before this one is done."""
    token = add_token(vault, ada, grant("read", path="*"))
    hot, old, without_it = HotReads(vault.storage), vault.storage.signer, RowSigner(Key(str(uuid.uuid4()), bytes(32)))
    assert old is not None
    verify = RowSigner.verify

    def then_replaced(self: RowSigner, signed: SignedTable, row: RawRow) -> None:
        verify(self, signed, row)
        if self is old and vault.storage.signer is old:
            vault.storage.signer = without_it
            with pytest.raises(MacError):
                hot.token(token.id)

    monkeypatch.setattr(RowSigner, "verify", then_replaced)
    assert hot.token(token.id) is not None
    for _ in range(2):
        with pytest.raises(MacError):
            hot.token(token.id)
    vault.storage.signer = old
    assert hot.token(token.id) is not None
