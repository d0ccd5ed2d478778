"""Whoever writes to the database without the vault's keys can neither forge nor widen nor move a row."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.vaults import (
    add_environment,
    add_person,
    add_token,
    as_token,
    grant,
    make_vault,
    run_sql,
    values,
    write,
)
from vault.errors import IntegrityError, MacError, NotAuthenticated
from vault.model.principal import Principal
from vault.services import Services
from vault.storage import Stale, UnitOfWork
from vault.storage.signing.journal import Journal
from vault.storage.signing.repository import AnyRepository, Repository
from vault.storage.tables import metadata

TABLES = sorted(repository.signed.table.name for repository in Repository.__subclasses__())


@pytest.fixture
def stocked(vault: Services, ada: Principal) -> Services:
    """A vault with a row in every table of authority."""
    add_environment(vault, ada, "prod", A="1")
    add_token(vault, ada, grant("read", environment="prod"), grant("read", path="team"), ttl_seconds=60, uses=3)
    write(vault, fill)
    return vault


def fill(unit: UnitOfWork) -> None:
    """A made-up row in each table that has none; only its MAC is looked at."""
    order = metadata.sorted_tables
    for kind in sorted(Repository.__subclasses__(), key=lambda each: order.index(each.signed.table)):
        rows = kind(unit.connection, unit.signer, unit.journal)
        if not rows.all(sa.select(rows.signed.table)):
            names = {*rows.signed.key_names, *rows.signed.covered} - {"row_version"}
            rows.add(**{name: referred_or_made_up(unit, rows.signed.table.columns[name]) for name in names})


def referred_or_made_up(unit: UnitOfWork, column: sa.Column[Any]) -> Any:
    """Any value that the column takes: of one that refers, a value that is there."""
    for key in column.foreign_keys:
        return unit.connection.execute(sa.select(key.column).limit(1)).scalar_one()
    return made_up(column)


def made_up(column: sa.Column[Any]) -> Any:
    if allowed := allowed_in(column):
        return allowed[0]
    if isinstance(column.type, sa.Integer | sa.Boolean):
        return True if isinstance(column.type, sa.Boolean) else 1
    if isinstance(column.type, sa.LargeBinary):
        return bytes(32)
    return str(uuid.uuid4())[: getattr(column.type, "length", None) or 36]


def allowed_in(column: sa.Column[Any]) -> list[str]:
    """The only values that a check allows in the column; none where there is no such check."""
    checks = [str(check.sqltext) for check in column.table.constraints if isinstance(check, sa.CheckConstraint)]
    mine = [check for check in checks if check.startswith(f"{column.name} IN")]
    return re.findall(r"'(\w+)'", mine[0]) if mine else []


def allow_anything(connection: sa.Connection) -> None:
    """A forger who owns the database is stopped by no constraint."""
    if connection.dialect.name == "sqlite":
        connection.execute(sa.text("PRAGMA defer_foreign_keys = ON"))
        connection.execute(sa.text("PRAGMA ignore_check_constraints = ON"))
    else:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))


def forgeries(column: sa.Column[Any], value: Any) -> list[Any]:
    """Other values that the column takes."""
    others: list[Any] = [None] if column.nullable and value is not None else []
    if allowed := allowed_in(column):
        return others + [each for each in allowed if each != value]
    if isinstance(column.type, sa.Boolean):
        return [*others, not value]
    if isinstance(column.type, sa.Integer):
        return [*others, 2 if value is None else value + 1]
    if isinstance(column.type, sa.LargeBinary):
        return [*others, bytes([1]) if value is None else value[:-1] + bytes([value[-1] ^ 1])]
    if isinstance(column.type, sa.String) and (column.type.length == 36 or column.name.endswith("_id")):
        return [*others, str(uuid.uuid4())[: column.type.length or 36]]
    return [*others, "x" if value is None else value[:-1] + "~"]


def repository(vault: Services, name: str, connection: sa.Connection) -> AnyRepository:
    kind = next(found for found in Repository.__subclasses__() if found.signed.table.name == name)
    assert vault.storage.signer is not None
    return kind(connection, vault.storage.signer, Journal())


def test_no_covered_column_of_any_row_can_be_changed_by_sql(stocked: Services) -> None:
    for name in TABLES:
        try_all_columns(stocked, name)


def try_all_columns(stocked: Services, name: str) -> None:
    """Write every other value into every covered column of one row, one at a time."""
    with stocked.storage.writing.connect() as connection:
        rows = repository(stocked, name, connection)
        table, signed = rows.signed.table, rows.signed
        row = rows.all(sa.select(table))[0].values()
        connection.rollback()
        covered = {*signed.key_names, *signed.covered, "mac", "mac_key_id"} - (
            {"id"} if name == "vault_state" else set()
        )
        for column in [table.columns[each] for each in sorted(covered)]:
            others = forgeries(column, row[column.name])
            assert others, f"{name}.{column.name} was not tried"
            for other in others:
                with connection.begin() as transaction:
                    allow_anything(connection)
                    key_is = [table.columns[key] == row[key] for key in signed.key_names]
                    written = connection.execute(table.update().where(*key_is).values({column.name: other}))
                    assert written.rowcount == 1
                    with pytest.raises(MacError):
                        rows.all(sa.select(table))
                    transaction.rollback()


def test_no_row_can_be_moved_to_another_key(stocked: Services) -> None:
    for name in TABLES:
        # A constraint allows this table one key only.
        if name != "vault_state":
            move(stocked, name)


def move(stocked: Services, name: str) -> None:
    with stocked.storage.writing.begin() as connection:
        rows = repository(stocked, name, connection)
        row = rows.all(sa.select(rows.signed.table))[0].values()
        key = rows.signed.key_names[0]
        row[key] = forgeries(rows.signed.table.columns[key], row[key])[0]
        allow_anything(connection)
        connection.execute(rows.signed.table.delete())
        connection.execute(rows.signed.table.insert(), row)
        with pytest.raises(MacError):
            rows.all(sa.select(rows.signed.table))
        connection.rollback()


def test_another_vaults_rows_are_refused(stocked: Services, tmp_path: Any, fresh_database: Any) -> None:
    other = make_vault(tmp_path, fresh_database("sqlite"))
    add_person(other, "ada")
    with other.storage.read() as unit:
        foreign = dict(unit.connection.execute(sa.text("SELECT * FROM users")).one()._mapping)
    other.storage.close()
    with stocked.storage.writing.begin() as connection:
        connection.execute(metadata.tables["users"].insert(), foreign | {"name": "eve", "name_folded": "eve"})
        connection.execute(metadata.tables["users"].insert(), foreign | {"id": str(uuid.uuid4()), "name_folded": "x"})
    with stocked.storage.read() as unit:
        for name in ("eve", "x"):
            with pytest.raises(MacError):
                unit.users.by_name(name)
        assert unit.users.by_name("ada") is not None


TOKEN_FORGERIES = (
    "UPDATE tokens SET uses_left = 1000 WHERE id = :id",
    "UPDATE tokens SET uses_left = NULL WHERE id = :id",
    "UPDATE tokens SET expires_us = expires_us + 1 WHERE id = :id",
    "UPDATE tokens SET networks = '[]' WHERE id = :id",
    "UPDATE tokens SET user_id = (SELECT id FROM users WHERE name = 'bob') WHERE id = :id",
    "UPDATE grants SET permissions = 'read,update' WHERE token_id = :id",
    "UPDATE grants SET environment_id = NULL, path = '*' WHERE token_id = :id",
)


def test_a_forged_token_is_refused_where_it_is_used(vault: Services, ada: Principal, bob: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    wishes = {"uses": 5, "networks": ["192.0.2.0/24"]}
    for forgery in TOKEN_FORGERIES:
        token = add_token(vault, ada, grant("read", environment="prod"), ttl_seconds=60, **wishes)
        assert values(vault, as_token(vault, token.secret), "prod") == {"A": "1"}
        run_sql(vault, forgery, id=token.id)
        for _ in range(2):
            with pytest.raises(MacError):
                as_token(vault, token.secret)


@pytest.mark.parametrize("change", ["role = 'operator'", "state = 'disabled'"])
def test_a_forged_user_is_refused_where_a_token_is_used(vault: Services, ada: Principal, change: str) -> None:
    token = add_token(vault, ada, grant("read", path="*"))
    as_token(vault, token.secret)
    run_sql(vault, f"UPDATE users SET {change}")
    with pytest.raises(MacError):
        as_token(vault, token.secret)


def test_a_grant_row_that_was_inserted_is_refused(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    token = add_token(vault, ada, grant("read", environment="prod"))
    wide = add_token(vault, ada, grant("read,update,delete", path="*"))
    run_sql(vault, "UPDATE grants SET token_id = :to WHERE token_id = :from", to=token.id, **{"from": wide.id})
    with pytest.raises(MacError):
        as_token(vault, token.secret)


def test_an_inserted_token_is_refused(vault: Services, ada: Principal) -> None:
    token = add_token(vault, ada, grant("read", path="*"))
    with vault.storage.read() as unit:
        stored = unit.tokens.by_id(token.id)
    assert stored is not None
    run_sql(vault, "DELETE FROM tokens WHERE id = :id", id=token.id)
    row = {**stored.values(), "mac": bytes(32)}
    with vault.storage.writing.begin() as connection:
        connection.execute(metadata.tables["tokens"].insert(), row)
    with pytest.raises(MacError):
        as_token(vault, token.secret)


def test_a_token_without_its_grants_may_do_nothing(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    token = add_token(vault, ada, grant("read", environment="prod"))
    run_sql(vault, "DELETE FROM grants")
    assert as_token(vault, token.secret).grants == ()


def test_a_current_revision_that_was_taken_out_is_no_empty_environment(vault: Services, ada: Principal) -> None:
    row = add_environment(vault, ada, "prod", A="1")
    run_sql(vault, "DELETE FROM revisions WHERE environment_id = :id", id=row.id)
    with pytest.raises(IntegrityError):
        values(vault, ada, "prod")
    with pytest.raises(IntegrityError):
        vault.environments.variables.read(ada, "prod")
    with pytest.raises(IntegrityError):
        write(vault, lambda unit: vault.environments.variables.patch(unit, ada, "prod", {"B": {"value": "2"}}))


def test_globals_that_were_taken_out_are_no_empty_globals(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    run_sql(vault, "DELETE FROM data_keys WHERE environment_id IN (SELECT id FROM environments WHERE kind = 'globals')")
    run_sql(vault, "DELETE FROM environments WHERE kind = 'globals'")
    with pytest.raises(IntegrityError):
        values(vault, ada, "prod")
    assert values(vault, ada, "prod", globals=False) == {"A": "1"}


def test_an_older_row_of_another_writer_is_stale(vault: Services, ada: Principal) -> None:
    row = add_environment(vault, ada, "prod")
    write(vault, lambda unit: unit.environments.change(row, max_versions=7))
    with pytest.raises(Stale), vault.storage.write() as unit:
        unit.environments.change(row, max_versions=9)
    assert vault.environments.environments.get(ada, "prod").max_versions == 7


def test_the_second_of_two_with_one_name_is_stale(vault: Services, ada: Principal) -> None:
    row = add_environment(vault, ada, "prod")
    twin = {
        name: value for name, value in row.values().items() if name not in ("mac", "mac_key_id", "row_version", "id")
    }
    with pytest.raises(Stale), vault.storage.write() as unit:
        unit.environments.add(**twin, id=str(uuid.uuid4()))


def test_an_uncovered_column_may_move_without_a_new_mac(vault: Services, ada: Principal) -> None:
    token = add_token(vault, ada, grant("read", path="*"))
    run_sql(vault, "UPDATE tokens SET last_used_us = 5")
    run_sql(vault, "UPDATE users SET change_seq = change_seq + 1")
    assert as_token(vault, token.secret).user_id == ada.user_id


def test_a_row_of_junk_is_no_credential(vault: Services, ada: Principal) -> None:
    with pytest.raises(NotAuthenticated):
        as_token(vault, "srm_t_" + "a" * 61)
