"""Walks over everything made or signed before a time, for a reseal. As in `key_walk.py`, the query is the state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import LargeBinary, bindparam, delete, func, literal, select, update

from vault.storage.rows.audit import AuditPruned
from vault.storage.rows.keys import DataKey
from vault.storage.rows.revisions import StoredRevision
from vault.storage.signing.authority import REPOSITORIES
from vault.storage.signing.journal import owner_of
from vault.storage.signing.repository import AnyRepository
from vault.storage.signing.signed_row import SignedRow
from vault.storage.sql_types import AnySelect, ColumnValues
from vault.storage.table_facts import TABLE_FACTS
from vault.storage.tables import (
    challenges,
    data_keys,
    idempotency,
    revisions,
    sessions,
    system_secrets,
    tokens,
    user_keys,
    wrapped_answers,
)
from vault.storage.tables.identity import access_tokens, oauth_codes, refresh_families
from vault.storage.tables.live import sync_tickets
from vault.storage.unit_of_work import UnitOfWork

ANSWERS = {"idempotency": idempotency, "wrapping": wrapped_answers}
"""Tables of sealed answers, by the purpose in their context."""


class SealedAnswer(NamedTuple):
    """A stored answer, and what its seal is bound to. Only those of `idempotency` have a fingerprint."""

    scope: bytes
    fingerprint: bytes
    user_key_id: str
    blob: bytes


ENDED = (challenges, oauth_codes, sync_tickets, access_tokens, refresh_families)
"""Tables that a reseal empties at once: logins in progress, and codes and tokens that may be known after a leak.
Refresh tokens are deleted with their families. Sessions end with an entry in the audit.
"""


def repositories() -> tuple[type[AnyRepository], ...]:
    """Every table of signed rows, including the audit's, except the state's, whose single row is signed last."""
    return tuple(each for each in every_repository() if each.signed.table.name != "vault_state")


def every_repository() -> tuple[type[AnyRepository], ...]:
    """Return the repositories of all tables with signed rows, including the audit's."""
    return (*REPOSITORIES, AuditPruned)


def signed_before(
    unit: UnitOfWork, repository: type[AnyRepository], mac_key_id: str, after: str | int | None, limit: int
) -> list[SignedRow]:
    """Return rows that another key than this one has signed, in order of id, after the id `after`.

    Blobs are left out if the MAC does not cover them.
    """
    signed = repository.signed
    (name,) = signed.key_names
    key = signed.table.c[name]
    statement = select(*signed.columns).where(signed.table.c.mac_key_id != mac_key_id)
    if after is not None:
        statement = statement.where(key > after)
    rows = unit.connection.execute(statement.order_by(key).limit(limit)).all()
    for row in rows:
        unit.signer.check(signed, row)
    return list(map(signed.maker(SignedRow, signed.order), rows))


def count_signed_before(unit: UnitOfWork, mac_key_id: str, *, proven: bool = True) -> int:
    """Count rows that another key than this one has signed. With `proven=False`, only tables without a foreign key to
    keys.
    """
    columns = [repository.signed.table.c.mac_key_id for repository in repositories()]
    return sum(
        _count(unit, select(func.count()).where(column != mac_key_id))
        for column in columns
        if proven or not column.foreign_keys
    )


def retired_data_keys(unit: UnitOfWork, before_us: int, after: str, limit: int) -> list[DataKey]:
    """Return retired data keys from before a time, in order of id, after the id `after`."""
    old = (data_keys.c.state == "retired") & (data_keys.c.created_us < before_us) & (data_keys.c.id > after)
    return unit.data_keys.all(select(data_keys).where(old).order_by(data_keys.c.id).limit(limit))


def revisions_under(unit: UnitOfWork, data_key_id: str, limit: int) -> list[StoredRevision]:
    """Return revisions that this data key seals."""
    statement = select(revisions).where(revisions.c.data_key_id == data_key_id)
    return unit.revisions.all(statement.order_by(revisions.c.id).limit(limit))


def count_made_before(unit: UnitOfWork, before_us: int) -> int:
    """Count the keys of people and environments, and their revisions, that were made before a time."""
    people = select(func.count()).where(user_keys.c.owner_id.is_not(None), user_keys.c.created_us < before_us)
    old = select(data_keys.c.id).where(data_keys.c.created_us < before_us)
    keys = select(func.count()).select_from(old.subquery())
    sealed = select(func.count()).where(revisions.c.data_key_id.in_(old))
    return sum(_count(unit, statement) for statement in (people, keys, sealed))


def newest_us(unit: UnitOfWork) -> int:
    """Return when the newest key was made, by the clock of the host that made it."""
    columns = (user_keys.c.created_us, data_keys.c.created_us, system_secrets.c.created_us)
    return max(unit.connection.execute(select(func.max(column))).scalar_one() or 0 for column in columns)


def answers_before(unit: UnitOfWork, purpose: str, system_key_id: str, limit: int) -> list[SealedAnswer]:
    """Return sealed answers that another system key than this one seals."""
    table = ANSWERS[purpose]
    other = table.c.blob.is_not(None) & (table.c.user_key_id != system_key_id)
    fingerprint = table.c.get("fingerprint", literal(b"", LargeBinary()))
    statement = select(table.c.scope, fingerprint, table.c.user_key_id, table.c.blob).where(other)
    rows = unit.connection.execute(statement.order_by(table.c.scope).limit(limit))
    return [SealedAnswer(*row) for row in rows]


def replace_answers(unit: UnitOfWork, purpose: str, changes: Sequence[tuple[SealedAnswer, ColumnValues]]) -> None:
    """Replace the seals of the same answers. One that was fetched or has ended in the meantime stays deleted."""
    if not changes:
        return
    table = ANSWERS[purpose]
    statement = update(table).where(table.c.scope == bindparam("its_scope"), table.c.blob == bindparam("its_blob"))
    rows = [{"its_scope": row.scope, "its_blob": row.blob, **columns} for row, columns in changes]
    unit.connection.execute(statement, rows)


def people_with_sessions(unit: UnitOfWork, digest_key_id: str, now_us: int, limit: int) -> list[str]:
    """Return the ids of people with active sessions whose digests use another key than this one."""
    living = sessions.c.revoked_us.is_(None) & (sessions.c.expires_us > now_us)
    statement = select(sessions.c.user_id).where(living, sessions.c.digest_key_id != digest_key_id).distinct()
    return [row.user_id for row in unit.connection.execute(statement.limit(limit))]


def count_tokens_under(unit: UnitOfWork, digest_key_id: str, now_us: int) -> int:
    """Count active tokens whose digest uses another key than this one."""
    living = tokens.c.revoked_us.is_(None) & ((tokens.c.expires_us > now_us) | tokens.c.expires_us.is_(None))
    return _count(unit, select(func.count()).where(living, tokens.c.digest_key_id != digest_key_id))


def clear_ended(unit: UnitOfWork) -> None:
    """Delete the rows that a reseal ends."""
    for table in ENDED:
        place = owner_of(table) if TABLE_FACTS[table.name].is_signed else None
        if place is not None:
            # No repository removes them, so their owners are noted here.
            for owner in unit.connection.execute(select(place.column).distinct()).scalars():
                unit.journal.own(owner)
        unit.connection.execute(delete(table))


def _count(unit: UnitOfWork, statement: AnySelect) -> int:
    return int(unit.connection.execute(statement).scalar_one())
