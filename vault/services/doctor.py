"""`doctor --database`: checks every row and every blob, and names what is broken.

MACs        this vault wrote every signed row
references  rows refer to rows that exist and belong together
blobs       every key unwraps, and every revision, password and description opens
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import select

from vault.errors import IntegrityError, KeyProviderUnavailable, MacError, NewerFormat
from vault.model.environment import Sealing
from vault.services.environments.sealing import Sealer
from vault.services.environments.standing import broken_bases
from vault.services.own.credentials import opened
from vault.services.own.instance import Instance
from vault.storage import Credential, DataKey, EnvironmentRow, Storage, UnitOfWork
from vault.storage.rows.audit import AuditPruned
from vault.storage.signing.authority import REPOSITORIES, rows
from vault.storage.signing.repository import R, Repository
from vault.storage.tables import data_keys, environments, revisions, user_keys, users

_PAGE = 500


@dataclass(slots=True)
class Swept:
    """How many things one part of the sweep has checked, and the faults that it found."""

    what: str
    count: int = 0
    faults: list[str] = field(default_factory=list)


class Sweep:
    """Checks everything, and changes nothing."""

    def __init__(self, storage: Storage, instance: Instance) -> None:
        self._storage = storage
        self._instance = instance
        # Use time 0 so deleted-but-restorable revisions are checked as well.
        self._sealer = Sealer(instance, lambda: 0)

    def macs(self) -> Swept:
        """Check the MAC of every signed row."""
        swept = Swept("signed rows have this vault's MAC")
        with self._storage.read() as unit:
            for signed in [*(each.signed for each in REPOSITORIES), AuditPruned.signed]:
                for row in rows(unit.connection, signed):
                    swept.count += 1
                    try:
                        unit.signer.check(signed, row)
                    except MacError:
                        key = "/".join(map(str, row[: len(signed.key_names)]))
                        swept.faults.append(f"The row {key} of {signed.table.name} was not written by this vault.")
        return swept

    def references(self) -> Swept:
        """Check what rows say about each other and the database itself does not enforce."""
        swept = Swept("kinds of references are correct")
        with self._storage.read() as unit:
            for sentence, statement in _broken_references():
                swept.count += 1
                swept.faults += [sentence.format(id=found) for found in unit.connection.execute(statement).scalars()]
            swept.count += 1
            swept.faults += broken_bases(unit)
            if self._storage.is_sqlite:
                swept.count += 1
                found = unit.connection.exec_driver_sql("PRAGMA foreign_key_check").all()
                swept.faults += [
                    f"Row {row[1]} of {row[0]} refers to a row of {row[2]} that does not exist." for row in found
                ]
        return swept

    def blobs(self) -> Swept:
        """Unwrap every key, and open everything that is sealed."""
        swept = Swept("blobs open")
        with self._storage.read() as unit:
            for row in _pages(unit.user_keys):
                self._try(swept, f"The user key {row.id}", self._instance.user_key, row.owner_id, row)
            for credential in _pages(unit.credentials):
                what = f"The {credential.kind} of user {credential.user_id}"
                self._try(swept, what, self._open_credential, credential)
            for environment in _pages(unit.environments):
                what = f"A row that belongs to environment {environment.id}"
                self._try(swept, what, self._environment, unit, swept, environment)
        return swept

    def _environment(self, unit: UnitOfWork, swept: Swept, environment: EnvironmentRow) -> None:
        name = f"environment {environment.id}"
        self._try(swept, f"The description of {name}", self._sealer.open_metadata, unit, environment)
        for key in unit.connection.execute(select(data_keys).where(data_keys.c.environment_id == environment.id)):
            self._try(swept, f"The data key {key.id} of {name}", self._unwrap, unit, environment, key)
        if environment.sealing != Sealing.SERVER:
            return
        living = (revisions.c.environment_id == environment.id) & ~revisions.c.destroyed
        for row in unit.connection.execute(select(revisions).where(living).order_by(revisions.c.number)):
            what = f"Revision {row.number} of {name}"
            self._try(swept, what, self._sealer.require_opens, unit, environment, row)

    def _unwrap(self, unit: UnitOfWork, environment: EnvironmentRow, data_key: DataKey) -> None:
        user_key = unit.user_keys.by_id(data_key.user_key_id)
        if user_key is None:
            raise IntegrityError()
        self._instance.data_key(environment.owner_id, environment.id, data_key, user_key)

    def _open_credential(self, row: Credential) -> None:
        opened(self._instance, row.kind, row.user_id, row)

    def _try(self, swept: Swept, what: str, look: Callable[..., Any], *arguments: Any) -> None:
        swept.count += 1
        try:
            look(*arguments)
        except KeyProviderUnavailable:
            # It is unknown whether this is broken, and everything after it would fail in the same way.
            raise
        except NewerFormat:
            swept.faults.append(f"{what} was written by a newer release. Check it with that release.")
        except Exception:
            # Catch everything: SQLite allows somebody to store text in place of bytes.
            swept.faults.append(f"{what} cannot be opened.")


def _pages(repository: Repository[R]) -> Iterator[R]:
    """Yield all rows of a table by id, whatever their MACs are: those have a check of their own."""
    table = repository.signed.table
    after = ""
    while True:
        page = repository.unchecked(select(table).where(table.c.id > after).order_by(table.c.id).limit(_PAGE))
        yield from page
        if len(page) < _PAGE:
            return
        after = repository.id_of(page[-1])


def _broken_references() -> list[tuple[str, sa.Select[Any]]]:
    env, rev, key = environments.c, revisions.c, data_keys.c
    is_current = (rev.id == env.current_revision_id) & (rev.environment_id == env.id)
    has_key = sa.exists().where(key.environment_id == env.id, key.state == "active", key.owner_id == env.owner_id)
    of_user = sa.exists().where(user_keys.c.owner_id == users.c.id, user_keys.c.state == "active")
    of_globals = sa.exists().where(env.owner_id == users.c.id, env.kind == "globals")
    same_place = sa.exists().where(key.id == rev.data_key_id, key.environment_id == rev.environment_id)
    return [
        (
            "The current revision of environment {id} does not exist.",
            select(env.id).where(env.current_revision_id.is_not(None), ~sa.exists().where(is_current)),
        ),
        (
            "Environment {id} has a revision with a higher number than its last one.",
            select(env.id).where(sa.exists().where(rev.environment_id == env.id, rev.number > env.last_number)),
        ),
        ("Environment {id} has no active data key of its owner.", select(env.id).where(~has_key)),
        ("User {id} has no active user key.", select(users.c.id).where(~of_user)),
        ("User {id} has no globals.", select(users.c.id).where(~of_globals)),
        (
            "Revision {id} is sealed under a key of another environment.",
            select(rev.id).where(rev.data_key_id.is_not(None), ~same_place),
        ),
    ]
