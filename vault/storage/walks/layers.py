"""The statement that reads an environment with all environments beneath it.

named     the environment that was asked for
bases     its bases and theirs, found step by step in `base_ids`
globals   its owner's globals
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam, func, literal_column, select
from sqlalchemy.sql import ColumnElement

from vault.model.bases import BASES_MOST, BENEATH_MAX_BYTES, BENEATH_MOST, DEPTH_MOST
from vault.storage.rows.environments import Environments
from vault.storage.rows.keys import DataKeys, UserKeys
from vault.storage.rows.revisions import Revisions
from vault.storage.sql_types import AnyCompound, AnyElement, AnyFrom, AnySelect
from vault.storage.tables import data_keys, environments, revisions, user_keys

_ID_LENGTH = 36


def layers_statement(key: str, *, with_bases: bool) -> AnyCompound:
    """Return the statement for the environment of `:owner` whose `key` is `:reference`, all beneath it, and the
    globals.
    """
    is_asked = environments.c[key] == bindparam("reference")
    # Use a UNION rather than an OR, so that each part uses an index, whatever the number of environments.
    named = _layer(environments, revisions.c.blob).where(*_is_named(), is_asked)
    is_globals = environments.c.kind == literal_column("'globals'")
    globals_ = _layer(environments, revisions.c.blob).where(*_is_living(), is_globals)
    return sa.union_all(named, _bases(is_asked), globals_) if with_bases else sa.union_all(named, globals_)


def some_layers_statement() -> AnySelect:
    """Return the statement for the environments of `:owner` whose ids are in the text `:ids`."""
    is_chosen = bindparam("ids", type_=sa.Text()).contains(environments.c.id)
    # Somebody who writes to the database could put a large blob beside a small size, which the MAC covers.
    blob = sa.case((func.length(revisions.c.blob) <= revisions.c.size, revisions.c.blob))
    return _layer(environments, blob).where(*_is_named(), is_chosen)


def _bases(is_asked: ColumnElement[bool]) -> AnySelect:
    """Select all environments beneath the environment. If they are too large together, their blobs are NULL:
    `some_layers_statement` reads those that the caller may read."""
    ids = _ids_beneath(is_asked).cte("ids")
    found = ids.join(environments, environments.c.id == ids.c.id)
    has_revision = revisions.c.id == environments.c.current_revision_id
    total = select(func.sum(func.length(revisions.c.blob))).select_from(found.join(revisions, has_revision))
    is_small = total.correlate(None).scalar_subquery() <= _number(BENEATH_MAX_BYTES)
    return _layer(found, sa.case((is_small, revisions.c.blob)))


def _ids_beneath(is_asked: ColumnElement[bool]) -> AnySelect:
    """Select the ids of `:owner`'s environments beneath one, at most one more than the limit, so that the reader sees
    when there are too many.
    """
    places = sa.union_all(*(select(_number(place).label("place")) for place in range(BASES_MOST))).cte("places")
    asked = (*_is_named(), environments.c.base_ids != literal_column("''"), is_asked)
    own = select(literal_column("''").label("id"), environments.c.base_ids, _number(0).label("depth"))
    beneath = own.where(*asked).cte("beneath", recursive=True)
    start = places.c.place * _number(_ID_LENGTH + 1)
    # All ids have the same length, and a space between them.
    base_id = func.substr(beneath.c.base_ids, start + _number(1), _number(_ID_LENGTH))
    base = environments.alias()
    # PostgreSQL would scan all environments for a join.
    its_bases = select(base.c.base_ids).where(*_is_named(base), base.c.id == base_id).scalar_subquery()
    further = select(base_id, its_bases, beneath.c.depth + _number(1)).where(
        func.length(beneath.c.base_ids) > start, beneath.c.depth < _number(DEPTH_MOST)
    )
    # UNION keeps each id once at each depth, so this ends whatever the rows say.
    found = beneath.union(further)
    # PostgreSQL expects few rows of a limit that it has to compute, and so looks them up by index. With a number, it
    # would read all environments.
    limit = select(func.count() * _number(BENEATH_MOST + 1)).select_from(environments).where(*asked).scalar_subquery()
    # A deleted environment, or another owner's, has no `base_ids` here.
    ids = select(found.c.id).where(found.c.depth > _number(0), found.c.base_ids.is_not(None))
    return ids.distinct().limit(limit).offset(_number(0))


def _layer(found: AnyFrom, blob: AnyElement) -> AnySelect:
    """Select the environments in `found`, each with its current revision and the keys that open it."""
    return (
        select(
            *Environments.signed.columns,
            *Revisions.signed.columns,
            *DataKeys.signed.columns,
            *UserKeys.signed.columns,
            blob.label("blob"),
        )
        .select_from(found)
        .outerjoin(revisions, revisions.c.id == environments.c.current_revision_id)
        .outerjoin(data_keys, data_keys.c.id == revisions.c.data_key_id)
        .outerjoin(user_keys, user_keys.c.id == data_keys.c.user_key_id)
    )


def _is_living(table: AnyFrom = environments) -> tuple[ColumnElement[bool], ...]:
    return table.c.owner_id == bindparam("owner"), table.c.deleted_us.is_(None)


def _is_named(table: AnyFrom = environments) -> tuple[ColumnElement[bool], ...]:
    return *_is_living(table), table.c.kind == literal_column("'environment'")


def _number(number: int) -> sa.ColumnClause[int]:
    """Return a number as SQL text. A parameter would have to be given with each read."""
    return literal_column(str(number))
