"""Adds many accounts with user keys in a few statements. Adding 100,000 row by row would take hours."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import insert

from vault.model.clock import now_us
from vault.services import Services
from vault.services.own.keys import master_key, new_user_key_columns
from vault.storage import UnitOfWork
from vault.storage.rows.keys import UserKeys
from vault.storage.rows.users import Users
from vault.storage.signing.signed import SignedTable

_BATCH = 2000


def add_crowd(vault: Services, count: int, prefix: str = "crowd") -> list[str]:
    """Add people with one user key each, and return their ids."""
    made: list[str] = []
    for start in range(0, count, _BATCH):
        with vault.storage.write() as unit:
            made += _add(vault, unit, prefix, range(start, min(start + _BATCH, count)))
    return made


def _add(vault: Services, unit: UnitOfWork, prefix: str, numbers: range) -> list[str]:
    now, master = now_us(), vault.instance.own_keys.active_master
    people: list[dict[str, Any]] = []
    keys: list[dict[str, Any]] = []
    for number in numbers:
        user_id, name = str(uuid.uuid4()), f"{prefix}-{number}"
        person = {"id": user_id, "name": name, "name_folded": name, "role": "user", "state": "active"}
        people.append({**person, "second_factor": False})
        columns = new_user_key_columns(
            vault.instance.keyring, master_key(master), master.version, user_id, str(uuid.uuid4())
        )
        keys.append({**columns, "state": "active", "generation": 1})
    for signed, rows in ((Users.signed, people), (UserKeys.signed, keys)):
        _insert(unit, signed, [{**row, "created_us": now} for row in rows])
    return [row["id"] for row in people]


def _insert(unit: UnitOfWork, signed: SignedTable, rows: list[dict[str, Any]]) -> None:
    names = [column.name for column in signed.table.columns if column.server_default is None]
    blank = dict.fromkeys(names)
    whole = [unit.signer.sign(signed, {**blank, **row, "row_version": 1}) for row in rows]
    unit.connection.execute(insert(signed.table), whole)
