"""A changed row is returned as it is stored, so no service reads it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from tests.integration.storage.spy import statements
from tests.support.vaults import add_environment, add_token, grant, put, write
from vault.model.environment import Variable
from vault.model.principal import Principal
from vault.services import Services
from vault.services.environments.editing import RowEdit
from vault.services.environments.files import parse_file
from vault.storage import UnitOfWork
from vault.storage.signing.repository import AnyRepository

Call = Callable[[Services, Principal, UnitOfWork], object]


def repositories(unit: UnitOfWork) -> list[AnyRepository]:
    return [unit.environments, unit.revisions, unit.tokens, unit.users, unit.credentials, unit.data_keys]


@pytest.mark.parametrize(
    "changes",
    [
        {"environments": {"cas_required": True, "deleted_us": 5, "metadata_blob": b"\x00"}},
        {"environments": {"current_revision_id": None, "name": "zoë"}, "tokens": {"revoked_us": 7, "uses_left": None}},
        {"revisions": {"destroyed": True, "blob": None, "data_key_id": None}, "users": {"second_factor": True}},
        {},
    ],
)
def test_it_is_returned_as_the_next_read_finds_it(
    vault: Services, ada: Principal, changes: dict[str, dict[str, Any]]
) -> None:
    add_environment(vault, ada, "prod", A="1")
    add_token(vault, ada, grant("read", environment="prod"), uses=3)

    def change(unit: UnitOfWork) -> None:
        for rows in repositories(unit):
            table = rows.signed.table
            key = table.c[rows.signed.key_names[0]]
            row = rows.all(sa.select(table).order_by(key))[-1]
            changed = rows.change(row, **changes.get(table.name, {}))
            assert changed.row_version == row.row_version + 1
            assert changed == rows.one(key == row.values()[key.name])
        unit.abandon()

    write(vault, change)


def edit(vault: Services, ada: Principal, unit: UnitOfWork) -> object:
    return vault.environments.variables.edit(unit, ada, "prod", [RowEdit("A", {"value": "2"})])


def import_text(vault: Services, ada: Principal, unit: UnitOfWork) -> object:
    parsed = parse_file("dotenv", "A=2\n")
    return vault.environments.files.import_file(unit, ada, "prod", parsed, replace_all=True, dry_run=False)


def roll_back(vault: Services, ada: Principal, unit: UnitOfWork) -> object:
    return vault.environments.history.rollback(unit, ada, "prod", 1)


@pytest.mark.parametrize("call", [edit, import_text, roll_back])
def test_a_write_finds_the_environment_once_and_reads_it_once_more_under_the_lock(
    vault: Services, ada: Principal, call: Call
) -> None:
    add_environment(vault, ada, "prod", A="1")
    put(vault, ada, "prod", Variable("A", "3"))
    with statements(vault) as seen:
        write(vault, lambda unit: call(vault, ada, unit))
    reads = [each for each in seen if "FROM environments" in each and "environments.metadata_blob" in each]
    assert len(reads) == 2
