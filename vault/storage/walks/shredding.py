"""Crypto-shredding: deletes a key's row, records this in the same transaction, and deletes what the key sealed.

The record (`destroyed_keys`) stops an older backup from restoring the key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, literal, null, select
from sqlalchemy.sql import ColumnElement

from vault.storage.rows.environments import Environments
from vault.storage.rows.keys import DestroyedKeys
from vault.storage.signing.journal import Journal
from vault.storage.signing.repository import IDS_AT_ONCE
from vault.storage.signing.signed import RowSigner
from vault.storage.sql_types import AnyRow, ColumnValue
from vault.storage.tables import data_keys, environments, revisions, user_keys


@dataclass(frozen=True, slots=True)
class Shredded:
    """What was deleted: named environments (not globals), revisions, and keys."""

    environments: int = 0
    revisions: int = 0
    data_keys: int = 0
    user_keys: int = 0

    def __add__(self, other: Shredded) -> Shredded:
        return Shredded(
            self.environments + other.environments,
            self.revisions + other.revisions,
            self.data_keys + other.data_keys,
            self.user_keys + other.user_keys,
        )


class Shredding:
    """Deletes keys for good. The caller checks permission and records the action."""

    def __init__(self, connection: Connection, signer: RowSigner, journal: Journal) -> None:
        self._connection = connection
        self._environments = Environments(connection, signer, journal)
        self._destroyed = DestroyedKeys(connection, signer, journal)

    def deleted_before(self, before_us: int, now_us: int, limit: int) -> Shredded:
        """Shred up to `limit` environments that were deleted before `before_us`."""
        return self._shred(environments.c.deleted_us < before_us, now_us, limit)

    def environment(self, environment_id: str, now_us: int) -> Shredded:
        """Shred one environment with its history."""
        return self._shred(environments.c.id == environment_id, now_us)

    def person(self, user_id: str, now_us: int) -> Shredded:
        """Shred all environments of a person whose row is locked, deleted or not, and the person's own keys."""
        done = self._shred(environments.c.owner_id == user_id, now_us)
        columns = (user_keys.c.id, literal(user_id).label("owner_id"), null().label("environment_id"))
        gone = delete(user_keys).where(user_keys.c.owner_id == user_id)
        keys = self._connection.execute(gone.returning(*columns, user_keys.c.created_us)).all()
        self._note("user", keys, now_us)
        return done + Shredded(user_keys=len(keys))

    def _shred(self, which: ColumnElement[bool], now_us: int, limit: int | None = None) -> Shredded:
        # Lock them before deleting anything. Otherwise someone could undelete an environment between two statements.
        # Their MACs do not matter: a forged row may be deleted too.
        columns = (environments.c.id, environments.c.owner_id, environments.c.kind, environments.c.row_version)
        held = select(*columns).where(which)
        rows = self._connection.execute(held.order_by(environments.c.id).limit(limit).with_for_update()).all()
        done = Shredded()
        for start in range(0, len(rows), IDS_AT_ONCE):
            done += self._shred_some(rows[start : start + IDS_AT_ONCE], now_us)
        return done

    def _shred_some(self, rows: Sequence[AnyRow], now_us: int) -> Shredded:
        ids = [row.id for row in rows]
        # Delete referring rows first: a key that still seals something cannot be deleted.
        sealed = self._connection.execute(delete(revisions).where(revisions.c.environment_id.in_(ids))).rowcount
        gone = delete(data_keys).where(data_keys.c.environment_id.in_(ids))
        # The deleting statement returns the keys, so a key that was added a moment ago is recorded too.
        columns = (data_keys.c.id, data_keys.c.owner_id, data_keys.c.environment_id, data_keys.c.created_us)
        keys = self._connection.execute(gone.returning(*columns)).all()
        self._note("data", keys, now_us)
        self._environments.remove_many(rows)
        named = sum(row.kind == "environment" for row in rows)
        return Shredded(environments=named, revisions=sealed, data_keys=len(keys))

    def _note(self, kind: str, keys: Sequence[AnyRow], now_us: int) -> None:
        self._destroyed.add_many(list(_records(kind, keys, now_us)))


def _records(kind: str, keys: Sequence[AnyRow], now_us: int) -> Iterator[dict[str, ColumnValue]]:
    for key in keys:
        yield {
            "key_id": key.id,
            "kind": kind,
            "owner_id": key.owner_id,
            "environment_id": key.environment_id,
            "created_us": key.created_us,
            "destroyed_us": now_us,
            "confirmed_us": now_us,
        }
