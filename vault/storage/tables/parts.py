"""Parts of tables: the common metadata, and the columns that many tables have."""

from __future__ import annotations

from typing import TypedDict, Unpack

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, MetaData, String, text
from sqlalchemy.sql.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class _Options(TypedDict, total=False):
    """The arguments of `Column` that columns of ids need."""

    nullable: bool
    primary_key: bool
    unique: bool


def uuid_column(name: str, *items: SchemaItem, **options: Unpack[_Options]) -> Column[str]:
    """Return a column for a UUID as text."""
    return Column(name, String(36), *items, **options)


def signature_columns(*, proven: bool = True) -> list[Column[object]]:
    """Return the columns of every signed row: the key that signed it, the MAC, and how often it has changed.

    The foreign key guarantees that no row is signed with a deleted key. The rows that the MAC key depends on have none
    (`proven=False`), because the references would form a circle. They are written under the fence.
    """
    signed_by = [ForeignKey("system_secrets.id", ondelete="RESTRICT")] if proven else []
    return [
        Column("row_version", BigInteger, nullable=False),
        # `storage/signing/signed.py` says which columns the MAC covers. This one is not covered.
        Column("row_format", Integer, nullable=False, server_default=text("1")),
        Column("mac_key_id", String(36), *signed_by, nullable=False),
        Column("mac", LargeBinary(32), nullable=False),
    ]
