"""The list of all tables with signed rows, for code that has to go through every one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, select, tuple_

from vault.storage.rows.audit import AuditPruned
from vault.storage.rows.environments import Environments
from vault.storage.rows.identity import (
    AccessTokens,
    MachineCredentials,
    OauthClients,
    RefreshFamilies,
    RefreshTokens,
    Trusts,
)
from vault.storage.rows.keys import DataKeys, DestroyedKeys, MasterKeys, SystemSecrets, UserKeys, VaultState
from vault.storage.rows.revisions import Revisions
from vault.storage.rows.sealed_keys import ClientKeySets, ClientKeySlots, ContentKeyWraps, UnlockKeys
from vault.storage.rows.sessions import Sessions
from vault.storage.rows.tokens import Grants, Tokens
from vault.storage.rows.users import Credentials, Users
from vault.storage.signing.repository import AnyRepository
from vault.storage.signing.row_formats import RowFormats
from vault.storage.signing.signed import SignedTable
from vault.storage.sql_types import AnyColumn, AnyRow, RawRow

REPOSITORIES: tuple[type[AnyRepository], ...] = (
    RowFormats,
    VaultState,
    MasterKeys,
    UserKeys,
    SystemSecrets,
    DestroyedKeys,
    Users,
    Credentials,
    Sessions,
    Tokens,
    Grants,
    Environments,
    DataKeys,
    Revisions,
    ClientKeySets,
    ClientKeySlots,
    UnlockKeys,
    ContentKeyWraps,
    OauthClients,
    MachineCredentials,
    RefreshFamilies,
    RefreshTokens,
    AccessTokens,
    Trusts,
)
"""The repositories of signed rows, in the order in which other tables depend on them."""

_SIGNED: tuple[SignedTable, ...] = (*(each.signed for each in REPOSITORIES), AuditPruned.signed)

SIGNED_TABLES = {signed.table.name: signed for signed in _SIGNED}
"""Every table with signed rows, by name, including the audit's."""

_AT_ONCE = 5000


def standing(connection: Connection, signed: SignedTable) -> Iterator[tuple[str, int, str, bytes]]:
    """Yield key (its parts joined by "/"), version, MAC key and MAC of every row in a table."""
    table = signed.table
    width = len(signed.key_names)
    for row in _pages(connection, signed, [table.c.row_version, table.c.mac_key_id, table.c.mac]):
        key = str(row[0]) if width == 1 else "/".join(map(str, row[:width]))
        yield key, row[width], row[width + 1], row[width + 2]


def rows(connection: Connection, signed: SignedTable) -> Iterator[RawRow]:
    """Yield every row of a table, with its values in the order that `RowSigner.check` needs."""
    yield from _pages(connection, signed, signed.columns[len(signed.key_names) :])


def _pages(connection: Connection, signed: SignedTable, columns: Sequence[AnyColumn]) -> Iterator[AnyRow]:
    """Yield all rows by key, page by page, without a long transaction and without the whole table in memory."""
    key = [signed.table.c[name] for name in signed.key_names]
    statement = select(*key, *columns).order_by(*key).limit(_AT_ONCE)
    page = connection.execute(statement).all()
    while page:
        yield from page
        if len(page) < _AT_ONCE:
            return
        page = connection.execute(statement.where(tuple_(*key) > tuple(page[-1][: len(key)]))).all()
