"""Read marks: no signed row of a person is written without raising the number that wakes those who follow it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from tests.integration.storage.test_macs import fill, made_up, referred_or_made_up
from tests.support.patience import HANG_SECONDS
from tests.support.vaults import FakeClock, add_environment, add_token, grant, log_in, patch, run_sql, write
from vault.model.principal import Principal
from vault.services import Services
from vault.storage import UnitOfWork
from vault.storage.rows.marks import Marks
from vault.storage.signing.journal import Journal, owner_of
from vault.storage.signing.repository import AnyRepository, Repository
from vault.storage.signing.signed_row import SignedRow
from vault.storage.table_facts import TABLE_FACTS
from vault.storage.tables import metadata
from vault.storage.walks.key_walk import change_many, sign_many
from vault.storage.walks.reseal_walk import clear_ended

OWNER_SQL = {
    "users": "SELECT id FROM users WHERE id = :id",
    "grants": "SELECT user_id FROM tokens WHERE id = (SELECT token_id FROM grants WHERE id = :id)",
    "revisions": "SELECT owner_id FROM environments WHERE id = (SELECT environment_id FROM revisions WHERE id = :id)",
    "machine_credentials": "SELECT user_id FROM oauth_clients WHERE id = "
    "(SELECT client_id FROM machine_credentials WHERE id = :id)",
    "refresh_tokens": "SELECT user_id FROM refresh_families WHERE id = "
    "(SELECT family_id FROM refresh_tokens WHERE id = :id)",
    "user_keys": "SELECT owner_id FROM user_keys WHERE id = :id",
    "environments": "SELECT owner_id FROM environments WHERE id = :id",
    "data_keys": "SELECT owner_id FROM data_keys WHERE id = :id",
}
"""Whose a row is, written by hand. Of every other table: `user_id`."""

PERSONS = sorted(
    (each for each in Repository.__subclasses__() if TABLE_FACTS[each.signed.table.name].goes_with_person),
    key=lambda each: each.signed.table.name,
)


def numbers(vault: Services, *people: str) -> dict[str, int]:
    with vault.storage.read() as unit:
        return unit.marks.numbers(people)


def everybody(vault: Services) -> dict[str, int]:
    return numbers(vault, *(row[0] for row in run_sql(vault, "SELECT id FROM users")))


def risen(vault: Services, before: dict[str, int]) -> set[str]:
    """Those whose number is higher. No number is ever lower."""
    after = numbers(vault, *before)
    assert all(after[person] >= before[person] for person in after)
    return {person for person in after if after[person] > before[person]}


@pytest.fixture
def stocked(vault: Services, ada: Principal) -> Services:
    """A vault with a row in every signed table."""
    add_environment(vault, ada, "prod", A="1")
    add_token(vault, ada, grant("read", environment="prod"))
    write(vault, fill)
    return vault


def owner(vault: Services, table: str, key: str) -> str:
    (name,) = (column.name for column in metadata.tables[table].primary_key)
    sql = OWNER_SQL.get(table, f"SELECT user_id FROM {table} WHERE {name} = :id")
    ((found,),) = run_sql(vault, sql, id=key)
    return str(found)


def some_row(unit: UnitOfWork, kind: type[AnyRepository]) -> SignedRow:
    rows = kind(unit.connection, unit.signer, unit.journal)
    found: list[SignedRow] = rows.all(sa.select(rows.signed.table).order_by(*rows.signed.table.primary_key))
    # The system key is a user key of nobody.
    return next(row for row in found if row.values().get("owner_id", "somebody") is not None)


def test_whose_a_row_is_is_known_of_each_table_of_people_and_of_no_other() -> None:
    for name, facts in TABLE_FACTS.items():
        if facts.is_signed:
            assert (owner_of(metadata.tables[name]) is not None) == facts.goes_with_person, name


@pytest.mark.parametrize("kind", PERSONS, ids=lambda kind: kind.signed.table.name)
def test_a_write_of_each_kind_raises_the_number_of_the_rows_owner_alone(
    stocked: Services, kind: type[AnyRepository]
) -> None:
    table = kind.signed.table

    def change(unit: UnitOfWork) -> None:
        kind(unit.connection, unit.signer, unit.journal).change(some_row(unit, kind))

    def many(unit: UnitOfWork) -> None:
        change_many(unit, kind, [(some_row(unit, kind), {})])

    def again(unit: UnitOfWork) -> None:
        sign_many(unit, kind, [some_row(unit, kind)])

    with stocked.storage.read() as unit:
        its_owner = owner(stocked, table.name, str(kind.id_of(some_row(unit, kind))))
    for step in (change, many, again):
        before = everybody(stocked)
        write(stocked, step)
        assert risen(stocked, before) == {its_owner}, step


@pytest.mark.parametrize("kind", PERSONS, ids=lambda kind: kind.signed.table.name)
def test_a_row_that_is_added_and_one_that_is_removed_raise_it_too(stocked: Services, kind: type[AnyRepository]) -> None:
    table = kind.signed.table
    (key,) = table.primary_key.columns
    if key.foreign_keys or table.name == "unlock_keys":
        # There is one for each person or token, so the row that is there must go before another can come.
        run_sql(stocked, f"DELETE FROM {table.name}")

    def add(unit: UnitOfWork) -> str:
        rows = kind(unit.connection, unit.signer, unit.journal)
        names = {*rows.signed.key_names, *rows.signed.covered} - {"row_version"}
        row = {name: value_of(unit, table.columns[name]) for name in names} | rows.signed.before
        rows.add(**row)
        return str(row[key.name])

    def remove(unit: UnitOfWork) -> None:
        rows = kind(unit.connection, unit.signer, unit.journal)
        found = rows.one(key == made)
        assert found is not None
        rows.remove(found)

    before = everybody(stocked)
    made = write(stocked, add)
    its_owner = owner(stocked, table.name, made)
    assert numbers(stocked, its_owner)[its_owner] > before.get(its_owner, -1)
    assert risen(stocked, before) == {its_owner} & set(before)
    before = everybody(stocked)
    write(stocked, remove)
    assert risen(stocked, before) == (set() if table.name == "users" else {its_owner})
    if table.name == "users":
        assert numbers(stocked, its_owner) == {}


def value_of(unit: UnitOfWork, column: sa.Column[Any]) -> Any:
    """Any value that the column takes beside the rows that are there."""
    if column.name in ("number", "version") or (column.table.name == "user_keys" and column.name == "state"):
        return 10**6 if column.name != "state" else "retired"
    if column.table.name == "data_keys" and column.name == "owner_id":
        return unit.connection.execute(sa.text("SELECT id FROM users ORDER BY id LIMIT 1")).scalar_one()
    if column.nullable and not column.foreign_keys:
        return None
    return referred_or_made_up(unit, column) if column.foreign_keys else made_up(column)


def test_many_rows_that_are_removed_at_once_raise_it(vault: Services, ada: Principal, clock: FakeClock) -> None:
    add_environment(vault, ada, "prod", A="1")
    write(vault, lambda unit: vault.environments.environments.delete(unit, ada, "prod"))
    before = everybody(vault)
    clock.advance(1)
    write(vault, lambda unit: unit.shredding.deleted_before(clock(), clock(), 10))
    assert risen(vault, before) == {ada.user_id}


def test_what_a_reseal_ends_without_a_repository_raises_it_too(stocked: Services) -> None:
    owners = {
        row[0]
        for table in ("access_tokens", "refresh_families")
        for row in run_sql(stocked, f"SELECT user_id FROM {table}")
    }
    assert owners
    before = everybody(stocked)
    write(stocked, clear_ended)
    assert risen(stocked, before) == owners


def test_a_transaction_with_a_change_number_raises_no_mark(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")

    def marks() -> list[Any]:
        return run_sql(vault, "SELECT read_seq FROM read_marks WHERE user_id = :id", id=ada.user_id)

    before, numbered = marks(), numbers(vault, ada.user_id)[ada.user_id]
    patch(vault, ada, "prod", A="2")
    add_token(vault, ada, grant("read", environment="prod"))
    assert marks() == before
    assert numbers(vault, ada.user_id)[ada.user_id] == numbered + 2
    log_in(vault, "ada")
    assert marks() == [(before[0][0] + 1,)]


def test_a_write_of_an_environment_or_a_token_has_no_more_statements_for_it(
    vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_environment(vault, ada, "prod", A="1")

    def fail(*_: object) -> None:
        raise AssertionError("It asks for an owner, or raises a mark.")

    monkeypatch.setattr(Marks, "_find_owners", fail)
    monkeypatch.setattr(Marks, "_rise_some", fail)
    for number in range(12):
        patch(vault, ada, "prod", A=f"new {number}")
    add_environment(vault, ada, "other", A="1")
    token = add_token(vault, ada, grant("read", environment="prod"))
    write(vault, lambda unit: vault.tokens.tokens.revoke(unit, ada, token.id))
    with pytest.raises(AssertionError):
        log_in(vault, "ada")


def test_a_new_person_has_a_mark_at_once(vault: Services, ada: Principal, bob: Principal) -> None:
    assert {row[0] for row in run_sql(vault, "SELECT user_id FROM read_marks")} == {ada.user_id, bob.user_id}


@pytest.mark.parametrize("ends", ["abandon", "raise"])
def test_what_is_not_stored_raises_nothing(vault: Services, ada: Principal, ends: str) -> None:
    before = everybody(vault)

    def fail() -> None:
        with vault.storage.write() as unit:
            unit.sessions.change(next(iter(unit.sessions.living(ada.user_id, vault.clock()))))
            if ends == "raise":
                raise KeyError
            unit.abandon()

    if ends == "raise":
        with pytest.raises(KeyError):
            fail()
    else:
        fail()
    assert risen(vault, before) == set()


def at_once(*steps: Callable[[], object]) -> list[object]:
    """Run these in threads of their own. Returns what each returned or raised."""
    outcomes: list[object] = []

    def run(step: Callable[[], object]) -> None:
        try:
            outcomes.append(step())
        except Exception as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_SECONDS)
    return outcomes


def test_two_transactions_over_the_same_people_in_other_orders_both_count(
    vault: Services, ada: Principal, bob: Principal
) -> None:
    before = everybody(vault)
    meet = threading.Barrier(2, timeout=1 if vault.storage.is_sqlite else HANG_SECONDS)

    def work(people: list[str], name: str) -> str:
        with vault.storage.write() as unit:
            for person in people:
                # Rows of their own, so that only the marks meet.
                unit.sessions.change(
                    next(row for row in unit.sessions.living(person, vault.clock()) if row.agent == name)
                )
            if not vault.storage.is_sqlite:
                meet.wait()
        return "stored"

    pair = [ada.user_id, bob.user_id]
    for name in ("one", "two"):
        for who in ("ada", "bob"):
            session = log_in(vault, who).session
            write(
                vault,
                lambda unit, id=session.id, name=name: unit.sessions.change(unit.sessions.by_id(id), agent=name),  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
            )
    before = everybody(vault)
    outcomes = at_once(lambda: work(pair, "one"), lambda: work(pair[::-1], "two"))
    assert outcomes == ["stored", "stored"]
    after = everybody(vault)
    assert {person: after[person] - before[person] for person in pair} == dict.fromkeys(pair, 2)


def test_a_mark_waits_for_nobody_who_holds_the_person(vault: Services, ada: Principal) -> None:
    """Who holds a person's row waits for their sessions. Who holds a session must not wait for the person's row."""
    if vault.storage.is_sqlite:
        # Its one writer at a time cannot wait for another.
        return
    before = everybody(vault)
    with vault.storage.write() as unit:
        assert unit.users.by_id(ada.user_id, lock=True) is not None

        def touch() -> str:
            with vault.storage.write() as other:
                other.connection.execute(sa.text("SET LOCAL lock_timeout = '2s'"))
                other.sessions.change(next(iter(other.sessions.living(ada.user_id, vault.clock()))))
            return "stored"

        assert at_once(touch) == ["stored"]
    assert risen(vault, before) == {ada.user_id}


def test_the_missing_marks_of_an_upgraded_vault_are_filled_in(vault: Services, ada: Principal, bob: Principal) -> None:
    run_sql(vault, "DELETE FROM read_marks WHERE user_id = :id", id=ada.user_id)
    before = everybody(vault)
    write(vault, lambda unit: unit.marks.fill())
    assert {row[0] for row in run_sql(vault, "SELECT user_id FROM read_marks")} == {ada.user_id, bob.user_id}
    assert risen(vault, before) == set()


def test_a_person_without_a_mark_gets_one_with_the_first_write(vault: Services, ada: Principal) -> None:
    run_sql(vault, "DELETE FROM read_marks")
    before = everybody(vault)
    log_in(vault, "ada")
    assert risen(vault, before) == {ada.user_id}


def test_many_numbers_are_read_in_blocks(vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.storage.rows.marks.IDS_AT_ONCE", 1)
    people = [row[0] for row in run_sql(vault, "SELECT id FROM users")]
    found = numbers(vault, "00000000-0000-4000-8000-000000000000", *people, *people)
    assert set(found) == set(people)
    before = everybody(vault)

    def touch_all(unit: UnitOfWork) -> None:
        for person in people:
            unit.sessions.change(next(iter(unit.sessions.living(person, vault.clock()))))

    write(vault, touch_all)
    assert risen(vault, before) == set(people)


def test_a_journal_without_people_raises_nothing(vault: Services) -> None:
    before = everybody(vault)
    write(vault, lambda unit: unit.marks.rise(Journal()))
    assert risen(vault, before) == set()
