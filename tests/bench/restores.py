"""Measures a restore of 20,000 secrets: in a few large environments, and in 20,000 small ones."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from tests.bench.stores import Row, environment_rows, insert_signed
from tests.bench.table import Line, at_most_seconds
from tests.support.backups import backed_up, make, restored
from tests.support.vaults import add_person, make_vault
from vault.model.environment import Variable
from vault.model.event import Event, commit
from vault.services import Services
from vault.storage import UnitOfWork
from vault.storage.rows.environments import Environments
from vault.storage.rows.keys import DataKeys
from vault.storage.rows.revisions import Revisions

SECRETS = 20_000
_SIZES = (100, 1)
"""The number of variables in each environment."""
_ENVIRONMENTS_A_PERSON = 1000
_MOST_SECONDS = 60


def restores(name: str, directory: Path, make_url: Callable[[Path], str]) -> list[Line]:
    """Return one line for each size of environments. The target applies to PostgreSQL."""
    return [_line(name, directory / f"restores-{size}", make_url, size) for size in _SIZES]


def _line(name: str, folder: Path, make_url: Callable[[Path], str], size: int) -> Line:
    folder.mkdir(parents=True)
    count = SECRETS // size
    rows, seconds, processor = restore(folder, make_url(folder), count, size)
    figures = f"{seconds:.1f} s for {rows:,} rows ({processor:.1f} s of this process)"
    case = f"a restore of {count:,} environments of {size}"
    if name != "PostgreSQL":
        return Line(case, name, figures)
    return at_most_seconds(case, name, figures, seconds, _MOST_SECONDS)


def restore(folder: Path, url: str, environments: int, size: int) -> tuple[int, float, float]:
    """Restore a vault with so many environments of so many variables: how many rows, in how long, with how much
    processor time.
    """
    made = make_vault(folder, f"sqlite:///{folder / 'source.db'}")
    try:
        fill(made, environments, size)
        with backed_up(made, folder) as vault:
            make(vault)
            started, processor = time.perf_counter(), time.process_time()
            done = restored(vault, url)
            return done.contents.rows, time.perf_counter() - started, time.process_time() - processor
    finally:
        made.audit.reads.close()
        made.storage.close()


def fill(vault: Services, environments: int, size: int) -> None:
    """Add people with environments, in few statements, and the event of each environment."""
    for number, start in enumerate(range(0, environments, _ENVIRONMENTS_A_PERSON)):
        owner = add_person(vault, f"person-{number}")
        with vault.storage.write() as unit:
            _fill_person(vault, unit, owner.user_id, min(_ENVIRONMENTS_A_PERSON, environments - start), size)


def _fill_person(vault: Services, unit: UnitOfWork, owner_id: str, count: int, size: int) -> None:
    user_key = vault.instance.user_key(owner_id, unit.user_keys.active(owner_id))
    made = []
    for number in range(count):
        variables = [Variable(f"NAME_{each}", secrets.token_hex(16)) for each in range(size)]
        made.append(environment_rows(vault, owner_id, user_key, f"env-{number}", variables))
    tables = (Environments.signed, DataKeys.signed, Revisions.signed)
    written = [
        insert_signed(unit, signed, list(rows)) for signed, rows in zip(tables, zip(*made, strict=True), strict=True)
    ]
    names = [signed.table.name for signed in tables]
    events = [_event(unit, owner_id, list(zip(names, rows, strict=True))) for rows in zip(*written, strict=True)]
    vault.audit.tree.append(unit, events)


def _event(unit: UnitOfWork, owner_id: str, written: list[tuple[str, Row]]) -> Event:
    now, salt, address = time.time_ns() // 1000, secrets.token_bytes(16), "192.0.2.1"
    rows = [[table, row["id"], row["row_version"], row["mac"].hex()] for table, row in written]
    return Event(
        id=str(uuid.uuid4()),
        at_us=now,
        user_id=owner_id,
        actor_id=owner_id,
        actor="session:aaaaaaaaaaaa",
        action="revision.write",
        result="ok",
        environment_id=written[0][1]["id"],
        revision=1,
        blob_sha256=None,
        request_id=str(uuid.uuid4()),
        details="",
        rows=json.dumps([unit.signer.active.id, *rows], separators=(",", ":")),
        address=address,
        names="",
        salt=salt,
        commitment=commit(salt, address, ""),
    )
