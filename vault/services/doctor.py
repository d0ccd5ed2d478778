"""`doctor --database`: look at every row and every blob, and name what is broken.

MACs        every row of authority was written by this vault
references  what one row says of another is so
blobs       every key unwraps, every revision, password and description opens
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
from vault.services.own.credentials import opened
from vault.services.own.instance import Instance
from vault.storage import Credential, DataKey, EnvironmentRow, Storage, UnitOfWork
from vault.storage.rows.audit import AuditPruned
from vault.storage.signing.authority import REPOSITORIES, rows
from vault.storage.signing.repository import R, Repository
from vault.storage.tables import data_keys, environments, layers, revisions, user_keys, users

_PAGE = 500


@dataclass(slots=True)
class Swept:
    """How many things one part of the sweep has looked at, and what is wrong with which."""

    what: str
    count: int = 0
    faults: list[str] = field(default_factory=list)


class Sweep:
    """Looks at everything, and changes nothing."""

    def __init__(self, storage: Storage, instance: Instance) -> None:
        self._storage = storage
        self._instance = instance
        # Its time stands at the beginning: what is deleted, and can be brought back, must open too.
        self._sealer = Sealer(instance, lambda: 0)

    def macs(self) -> Swept:
        """Check the MAC of every row of authority."""
        swept = Swept("rows of authority carry this vault's MAC")
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
        """Check what rows say of each other, beyond what the database itself holds them to."""
        swept = Swept("kinds of references are whole")
        with self._storage.read() as unit:
            for sentence, statement in _broken_references():
                swept.count += 1
                swept.faults += [sentence.format(id=found) for found in unit.connection.execute(statement).scalars()]
            if self._storage.is_sqlite:
                swept.count += 1
                found = unit.connection.exec_driver_sql("PRAGMA foreign_key_check").all()
                swept.faults += [f"Row {row[1]} of {row[0]} refers to a row of {row[2]} that is gone." for row in found]
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
                what = f"What belongs to environment {environment.id}"
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
            # Nobody can tell whether it is broken; and to go on would tell the same of everything.
            raise
        except NewerFormat:
            swept.faults.append(f"{what} was written by a newer release. Check it with that release.")
        except Exception:
            # Whatever it is: SQLite lets somebody put text where bytes were.
            swept.faults.append(f"{what} does not open.")


def _pages(repository: Repository[R]) -> Iterator[R]:
    """All rows of a table in order of id, whatever their MACs: those are looked at by themselves."""
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
    other = environments.alias()
    same_owner = sa.exists().where(
        env.id == layers.c.environment_id, other.c.id == layers.c.base_id, other.c.owner_id == env.owner_id
    )
    return [
        (
            "The current revision of environment {id} is gone.",
            select(env.id).where(env.current_revision_id.is_not(None), ~sa.exists().where(is_current)),
        ),
        (
            "Environment {id} has a revision of a higher number than its last.",
            select(env.id).where(sa.exists().where(rev.environment_id == env.id, rev.number > env.last_number)),
        ),
        ("Environment {id} has no active data key of its owner's.", select(env.id).where(~has_key)),
        ("User {id} has no active user key.", select(users.c.id).where(~of_user)),
        ("User {id} has no globals.", select(users.c.id).where(~of_globals)),
        (
            "Revision {id} is sealed under a key of another environment.",
            select(rev.id).where(rev.data_key_id.is_not(None), ~same_place),
        ),
        ("A layer of environment {id} has another owner.", select(layers.c.environment_id).where(~same_owner)),
    ]
