"""Reads the whole database for `doctor --database`: every MAC, every reference, and rows whatever their MACs are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import exists, func, select, tuple_
from sqlalchemy.sql import ColumnElement

from vault.errors import MacError
from vault.storage.rows.keys import DataKey
from vault.storage.rows.revisions import StoredRevision
from vault.storage.signing.authority import SIGNED_TABLES, rows
from vault.storage.signing.repository import R, Repository
from vault.storage.tables import data_keys, environments, revisions, user_keys, users
from vault.storage.unit_of_work import UnitOfWork

_PAGE = 500
_LARGE_PAGE = 5000
_PART_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Checked:
    """A signed row, and whether this vault wrote it. Parts of a key are split by "/"."""

    table: str
    key: str
    is_ours: bool


def check_rows(unit: UnitOfWork) -> Iterator[Checked]:
    """Check the MAC of every signed row."""
    for signed in SIGNED_TABLES.values():
        for row in rows(unit.connection, signed):
            try:
                unit.signer.check(signed, row)
                is_ours = True
            except MacError:
                is_ours = False
            yield Checked(signed.table.name, "/".join(map(str, row[: len(signed.key_names)])), is_ours)


def broken_references(unit: UnitOfWork) -> Iterator[list[str]]:
    """Yield the faults of each kind of reference, as sentences. An empty list means that there is no fault of a
    kind.
    """
    for kind in _reference_kinds():
        statement = select(kind.id).where(*kind.broken)
        yield [kind.sentence.format(id=found) for found in unit.connection.execute(statement).scalars()]
    if unit.connection.dialect.name == "sqlite":
        found = unit.connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        yield [f"Row {row[1]} of {row[0]} refers to a row of {row[2]} that does not exist." for row in found]


def every(repository: Repository[R]) -> Iterator[R]:
    """Yield all rows of a table, in order of id, whatever their MACs are."""
    for page in pages(repository):
        yield from page


def pages(repository: Repository[R]) -> Iterator[list[R]]:
    """Yield all rows of a table in pages, in order of id, whatever their MACs are."""
    key = repository.signed.table.c.id
    after = ""
    while True:
        page = repository.unchecked(select(repository.signed.table).where(key > after).order_by(key).limit(_PAGE))
        yield page
        if len(page) < _PAGE:
            return
        after = str(repository.id_of(page[-1]))


def how_many_signed(unit: UnitOfWork) -> int:
    """Return the number of signed rows."""
    counts = [select(func.count()).select_from(signed.table) for signed in SIGNED_TABLES.values()]
    return sum(int(unit.connection.execute(count).scalar_one()) for count in counts)


def how_many(unit: UnitOfWork, repository: Repository[R]) -> int:
    """Return the number of rows in a table."""
    return int(unit.connection.execute(select(func.count()).select_from(repository.signed.table)).scalar_one())


def data_keys_of_all(unit: UnitOfWork, environment_ids: Iterable[str]) -> list[DataKey]:
    """Return the data keys of these environments, a page of them at most. Raises `MacError`."""
    return unit.data_keys.all(select(data_keys).where(data_keys.c.environment_id.in_(list(environment_ids))))


def living_revisions_of_all(unit: UnitOfWork, environment_ids: Iterable[str]) -> Iterator[StoredRevision]:
    """Yield the revisions of these environments that were not destroyed, whatever their MACs are. Few bytes are in
    memory at once, because each may have 1 MiB.
    """
    key = (revisions.c.environment_id, revisions.c.number)
    living = revisions.c.environment_id.in_(list(environment_ids)) & ~revisions.c.destroyed
    # The size in the row itself is not checked yet.
    sizes = select(*key, revisions.c.id, func.length(revisions.c.blob)).where(living).order_by(*key).limit(_LARGE_PAGE)
    page = unit.connection.execute(sizes).all()
    while page:
        for ids in _small_parts((row[2], row[3] or 0) for row in page):
            yield from unit.revisions.unchecked(select(revisions).where(revisions.c.id.in_(ids)).order_by(*key))
        after = tuple(page[-1][:2])
        page = unit.connection.execute(sizes.where(tuple_(*key) > after)).all() if len(page) == _LARGE_PAGE else []


def _small_parts(sizes: Iterable[tuple[str, int]]) -> Iterator[list[str]]:
    """Yield ids in parts that are small in number, and small in bytes if they have more than one id."""
    part: list[str] = []
    held = 0
    for each, size in sizes:
        if part and (len(part) == _PAGE or held + size > _PART_BYTES):
            yield part
            part, held = [], 0
        part.append(each)
        held += size
    if part:
        yield part


def data_keys_of(unit: UnitOfWork, environment_id: str) -> list[DataKey]:
    """Return the data keys of an environment, whatever their MACs are."""
    return unit.data_keys.unchecked(select(data_keys).where(data_keys.c.environment_id == environment_id))


def living_revisions_of(unit: UnitOfWork, environment_id: str) -> list[StoredRevision]:
    """Return the revisions of an environment that were not destroyed, whatever their MACs are."""
    living = (revisions.c.environment_id == environment_id) & ~revisions.c.destroyed
    return unit.revisions.unchecked(select(revisions).where(living).order_by(revisions.c.number))


@dataclass(frozen=True, slots=True)
class _ReferenceKind:
    """A rule about references: the sentence about a row that breaks it, and how to find these rows."""

    sentence: str
    id: ColumnElement[str]
    broken: Sequence[ColumnElement[bool]]


def _reference_kinds() -> list[_ReferenceKind]:
    env, rev, key = environments.c, revisions.c, data_keys.c
    is_current = (rev.id == env.current_revision_id) & (rev.environment_id == env.id)
    has_key = exists().where(key.environment_id == env.id, key.state == "active", key.owner_id == env.owner_id)
    of_user = exists().where(user_keys.c.owner_id == users.c.id, user_keys.c.state == "active")
    of_globals = exists().where(env.owner_id == users.c.id, env.kind == "globals")
    same_place = exists().where(key.id == rev.data_key_id, key.environment_id == rev.environment_id)
    return [
        _ReferenceKind(
            "The current revision of environment {id} does not exist.",
            env.id,
            (env.current_revision_id.is_not(None), ~exists().where(is_current)),
        ),
        _ReferenceKind(
            "Environment {id} has a revision with a higher number than its last one.",
            env.id,
            (exists().where(rev.environment_id == env.id, rev.number > env.last_number),),
        ),
        _ReferenceKind("Environment {id} has no active data key of its owner.", env.id, (~has_key,)),
        _ReferenceKind("User {id} has no active user key.", users.c.id, (~of_user,)),
        _ReferenceKind("User {id} has no globals.", users.c.id, (~of_globals,)),
        _ReferenceKind(
            "Revision {id} is sealed under a key of another environment.",
            rev.id,
            (rev.data_key_id.is_not(None), ~same_place),
        ),
    ]
