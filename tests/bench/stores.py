"""The vaults that are measured: one person with environments of several sizes, and other people's environments."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import Table, insert

from tests.support.vaults import PASSWORD, add_environment, add_person, add_token, grant, patch
from vault import settings
from vault.app import open_vault, prepare_vault
from vault.crypto import Key, context, new_key, seal
from vault.model.environment import EnvironmentKind, Variable
from vault.model.principal import Principal
from vault.services import Services
from vault.services.environments.sealing import encode
from vault.storage import UnitOfWork
from vault.storage.rows.environments import Environments
from vault.storage.rows.keys import DataKeys
from vault.storage.rows.revisions import Revisions
from vault.storage.signing.signed import SignedTable

Row: TypeAlias = dict[str, Any]
"""The values of a row of any table, by column."""

SIZES = (20, 50, 500)
"""The numbers of variables in the environments that are read."""

PERSON = "ada"
_ENVIRONMENTS_A_PERSON = 1000
_BATCH = 2000
_ONE_BY_ONE_MOST = 100
"""Up to this number, environments are made by normal calls, with events in the audit. More would take minutes."""


@dataclass(frozen=True, slots=True)
class Store:
    """A prepared vault: its settings as environment variables, and what a client needs to know."""

    env: dict[str, str]
    environments: int
    token: str
    writer: str
    others_id: str
    user: str = PERSON
    password: str = PASSWORD


def prepare(directory: Path, database_url: str, *, environments: int = 10) -> Store:
    """Make a vault with about `environments` environments in all, with MACs and seals like real ones."""
    env = {
        "STRONGROOM_DATA_DIR": str(directory / "data"),
        "STRONGROOM_KEYRING": str(directory / "keys" / "master.json"),
        "STRONGROOM_DATABASE_URL": database_url,
        # One credential makes all calls here.
        "STRONGROOM_CALLS_PER_SECOND_PER_CALLER": "1000000",
        "STRONGROOM_MAX_REQUESTS_IN_FLIGHT_PER_CALLER": "128",
    }
    chosen = settings.load(env)
    chosen.data_dir.mkdir(parents=True)
    prepare_vault(chosen)
    vault = open_vault(chosen)
    try:
        person = _add_reader(vault)
        other = add_person(vault, "eve")
        others = add_environment(vault, other, "secret", A="1")
        read = [grant("read", path="*"), grant("read", globals=True)]
        token = add_token(vault, person, *read).secret
        writer = add_token(vault, person, grant("read,create,update", path="*")).secret
        missing = environments - len(SIZES) - 2
        if missing <= _ONE_BY_ONE_MOST:
            for number in range(missing):
                add_environment(vault, other, f"env-{number}", NAME="value")
        else:
            with vault.storage.write() as unit:
                _fill(vault, unit, missing)
    finally:
        vault.storage.close()
    assert token is not None
    assert writer is not None
    return Store(env, environments, token, writer, others.id)


def _add_reader(vault: Services) -> Principal:
    person = add_person(vault, PERSON)
    patch(vault, person, None, REGION="eu-north-1", LOG_LEVEL="info", DOMAIN="example.org", TEAM="platform")
    for size in SIZES:
        add_environment(vault, person, f"of-{size}", **dict(_variables(size)))
    add_environment(vault, person, "written", COUNTER="0")
    return person


def _now_us() -> int:
    # The clock of `vault` is elsewhere in older commits, which run this too.
    return time.time_ns() // 1000


def _variables(count: int) -> Iterator[tuple[str, str]]:
    for number in range(count):
        # One value in five refers to others, as in real environments.
        host = "{{REGION}}.{{DOMAIN}}" if number % 5 == 0 else f"host-{number}.example.org"
        yield f"SERVICE_{number:03}_URL", f"postgresql://app:p4ss-{number:06}@{host}:5432/service"


def _fill(vault: Services, unit: UnitOfWork, count: int) -> None:
    """Add other people with `count` environments of one variable each. Row by row this would take minutes."""
    for number, start in enumerate(range(0, count, _ENVIRONMENTS_A_PERSON)):
        user_id = str(uuid.uuid4())
        name = f"person-{number}"
        unit.users.add(
            id=user_id,
            name=name,
            name_folded=name,
            role="user",
            state="active",
            second_factor=False,
            created_us=_now_us(),
        )
        vault.instance.add_user_key(unit, user_id)
        vault.environments.environments.add_row(unit, user_id, EnvironmentKind.GLOBALS, "globals")
        _fill_person(vault, unit, user_id, min(_ENVIRONMENTS_A_PERSON, count - start))


def _fill_person(vault: Services, unit: UnitOfWork, owner_id: str, count: int) -> None:
    row = unit.user_keys.active(owner_id)
    user_key = vault.instance.user_key(owner_id, row)
    variables = [Variable("NAME", "value")]
    made = [environment_rows(vault, owner_id, user_key, f"env-{number}", variables) for number in range(count)]
    tables = (Environments.signed, DataKeys.signed, Revisions.signed)
    for signed, rows in zip(tables, zip(*made, strict=True), strict=True):
        insert_signed(unit, signed, list(rows))


def environment_rows(
    vault: Services, owner_id: str, user_key: Key, name: str, variables: list[Variable]
) -> tuple[Row, ...]:
    """Return the rows of one environment: its own row, its data key and its revision."""
    now, environment_id, revision_id, data_key = _now_us(), str(uuid.uuid4()), str(uuid.uuid4()), new_key()
    wrapped = vault.instance.keyring.wrap_data_key(user_key, owner_id, environment_id, data_key)
    place = context.revision(vault.instance.id, environment_id, revision_id, 1)
    blob = seal(data_key, place, encode(variables), padded=True)
    environment = {
        "id": environment_id, "owner_id": owner_id, "kind": "environment", "name": name, "sealing": "server",
        "current_revision_id": revision_id, "last_number": 1, "bytes_stored": len(blob), "state_generation": 1,
        "metadata_generation": 0, "max_versions": 100, "cas_required": False, "delete_version_after_seconds": 0,
        "created_us": now, "updated_us": now,
    }  # fmt: skip
    key = {
        "id": data_key.id, "environment_id": environment_id, "owner_id": owner_id, "user_key_id": user_key.id,
        "state": "active", "blob": wrapped, "generation": 1, "created_us": now,
    }  # fmt: skip
    revision = {
        "id": revision_id, "environment_id": environment_id, "number": 1, "data_key_id": data_key.id, "blob": blob,
        "size": len(blob), "created_us": now, "created_by": "bench", "destroyed": False, "generation": 1,
    }  # fmt: skip
    return environment, key, revision


def insert_signed(unit: UnitOfWork, signed: SignedTable, rows: list[Row]) -> list[Row]:
    """Sign and insert rows, in few statements. Returns them as they were written."""
    table: Table = signed.table
    blank = dict.fromkeys(column.name for column in table.columns) | signed.before
    whole = [unit.signer.sign(signed, {**blank, **row, "row_version": 1}) for row in rows]
    for start in range(0, len(whole), _BATCH):
        unit.connection.execute(insert(table), whole[start : start + _BATCH])
    return whole
